"""The data plane: carries traffic between clients and upstreams, and nothing else."""
