package operator_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"usher/issuer/operator"
)

// TestDocumentedScope checks that the scope of a signing key in docs/how-to/scoped-signing-keys.md is
// valid in every field and restricts both sides.
func TestDocumentedScope(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/how-to/scoped-signing-keys.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/how-to/scoped-signing-keys.md shows no JSON")
	}
	var scope jwt.UserScope
	d := json.NewDecoder(strings.NewReader(block))
	d.DisallowUnknownFields()
	if err := d.Decode(&scope); err != nil {
		t.Fatal(err)
	}
	open := operator.OpenSides(&scope.Template.Permissions, &jwt.Permissions{})
	if scope.Kind != jwt.UserScopeType || scope.Role != "publisher" || len(open) > 0 || scope.Template.Subs != jwt.NoLimit {
		t.Errorf("%+v leaves %v open", scope, open)
	}
}
