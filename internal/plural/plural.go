// Package plural counts things in English.
package plural

import "fmt"

// Count returns n with a noun in singular or plural: "1 key", "2 keys".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
