"""Commands: they read options, call, and print; the logic lies in the packages beside this one."""
