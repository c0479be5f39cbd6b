"""What is added to one service: the dependency, the environment and the launcher, each in the file that holds it."""
