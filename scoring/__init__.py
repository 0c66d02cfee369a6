"""Models at run time: ONNX from a registry, checked, kept on this machine, and run."""
