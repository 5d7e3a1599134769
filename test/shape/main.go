// Command shape counts what a stranger meets in the tree: how large the packages are, how much each shows to the
// others, and whether its files can be read one after the other. `make shape` prints it. What is a rule, the linter
// sees to: the arrows between packages (depguard) and the length of lines (lll). A package that only tests import, or
// other such packages, is counted as a test.
package main

import (
	"fmt"
	"os"
)

// What is aimed at.
const (
	largeRoom  = 1000 // lines of a package without its tests
	mostLarge  = 5    // packages over it
	largestAny = 1800 // lines of the largest
	mostNames  = 40   // exported names of a package
	longLine   = 120  // columns
	mostCycle  = 4    // files of one package that need each other
)

func main() {
	rooms, err := measure(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
	report(os.Stdout, rooms)
}
