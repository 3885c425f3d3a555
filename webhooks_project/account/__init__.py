"""What people do with their own account: the second step of signing in, its set-up, and a forgotten password."""
