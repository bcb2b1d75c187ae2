"""What several questions use: intervals with proofs, samples, rays, pictures; no question."""
