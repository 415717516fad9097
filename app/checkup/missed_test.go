package checkup

import "slices"

// missed reports whether something could not be looked at, going by what is said of it.
func missed(f []Finding, says func(string) bool) bool {
	return slices.ContainsFunc(f, func(x Finding) bool { return x.Result == "error" && says(x.Detail) })
}
