"""The host's business."""
