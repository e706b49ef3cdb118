"""Whether two questions are the same question: near in meaning, and equal in all that counts."""
