"""From a model name to the attempts that may serve it: pure, from the snapshot alone."""
