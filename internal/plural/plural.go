// Package plural formats counts with English nouns.
package plural

import "fmt"

// Count formats n with a noun in the singular or plural: "1 key", "2 keys". The plural of
// the noun must end in s.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
