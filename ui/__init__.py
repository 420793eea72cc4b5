"""What the pages share: the frame, the controls, and the only caches."""
