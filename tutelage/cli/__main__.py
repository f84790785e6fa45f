"""`python -m tutelage.cli` is the program `tutelage`."""

from tutelage.cli import main

if __name__ == "__main__":
    main()
