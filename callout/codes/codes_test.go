package codes_test

import (
	"testing"

	"usher/callout/codes"
)

func TestCodesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes.All() {
		if seen[c.Code] || c.Code == "" || c.Meaning == "" {
			t.Errorf("code %q is empty, duplicate, or has no meaning", c.Code)
		}
		seen[c.Code] = true
	}
}
