"""For tests: colours and signatures of live objects."""
