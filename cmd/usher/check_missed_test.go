package main

import "slices"

// missed reports whether something could not be looked at, going by what is said of it.
func missed2(f []finding, says func(string) bool) bool {
	return slices.ContainsFunc(f, func(x finding) bool { return x.Result == "error" && says(x.Detail) })
}
