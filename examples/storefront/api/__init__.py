"""Alva's REST API: files, and download links, exactly as its document has them."""
