"""What is decided: a pure core, two Faust stages around it, and the command line that puts them together."""
