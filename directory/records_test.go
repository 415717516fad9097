package directory_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
)

// Ids derived from names are version 5 UUIDs of RFC 9562.
func TestIDOf(t *testing.T) {
	space := uuid.MustParse("5f3f2b0e-6d0c-4c1b-9d0a-3b1f4e5c7a10")
	for _, name := range []string{"", "u", strings.Repeat("long", 50)} {
		want := uuid.NewSHA1(space, []byte("user/"+name))
		if got := directory.IDOf(directory.KindUser, name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
