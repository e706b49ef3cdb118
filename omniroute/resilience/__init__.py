"""What a failure means: values in, values out, no I/O."""
