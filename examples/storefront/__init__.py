"""An example source of events: files, downloads and orders whose Django signals publish."""
