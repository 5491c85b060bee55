"""What learning a look is measured by: looks that are made, and the classical ways to carry colours over."""
