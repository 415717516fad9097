package identity_test

import (
	"testing"

	"usher/identity"
)

func TestSelectionIsZero(t *testing.T) {
	for sel, want := range map[identity.Selection]bool{
		{}: true, {Project: "p"}: false, {Account: "a"}: false, {Project: "p", Account: "a"}: false,
	} {
		if sel.IsZero() != want {
			t.Errorf("%+v: IsZero is %v", sel, sel.IsZero())
		}
	}
}
