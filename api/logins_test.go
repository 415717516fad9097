package api_test

import (
	"crypto/rand"
	"net/http"
	"testing"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// Attack: a client uses a key that it got for its certificate after its binding was removed or disabled
// Held by: the same change removes the keys of the binding
func TestKeysEndWithBinding(t *testing.T) {
	s := start(t, nil, nil)
	const bindings, binding = "/v1/users/pub/bindings", "/v1/users/pub/bindings/worker"
	for name, end := range map[string]func(){
		"removed":  func() { s.root(http.StatusOK, "DELETE", binding, "") },
		"disabled": func() { s.root(http.StatusOK, "PUT", binding, `{"enabled":false}`) },
	} {
		s.root(http.StatusOK, "POST", bindings, `{"name":"worker","subject":"CN=pub","service_type":"ams","host":"a.b"}`)
		login, err := apikey.New(rand.Reader)
		callouttest.Must(t, err)
		_, err = s.store.Change(t.Context(), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
			u, _ := now.User("pub")
			id := u.KeysOf(directory.KeyBinding)[0].LoginPrefix() + "0"
			return directory.Put(directory.KeyKey(u.ID, id), &directory.Key{Digest: directory.DigestOf(login)}), nil
		})
		callouttest.Must(t, err)
		before := s.as(login, "GET", "/v1/users/profile", "").code
		end()
		if after := s.as(login, "GET", "/v1/users/profile", "").code; before != http.StatusOK || after != http.StatusUnauthorized {
			t.Errorf("%s: %d before, %d after", name, before, after)
		}
		if own := s.as("pub", "GET", "/v1/users/profile", "").code; own != http.StatusOK {
			t.Errorf("%s: another key: %d", name, own)
		}
		if name == "disabled" {
			s.root(http.StatusOK, "DELETE", binding, "")
		}
	}
}
