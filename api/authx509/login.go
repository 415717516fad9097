package authx509

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/users"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/x509/revocation"
)

// Config is what the route needs.
type Config struct {
	Roots      *x509.CertPool      // CAs that vouch for clients
	Revocation *revocation.Checker // nil: none
	Lifetime   time.Duration       // of a key, at most
	MaxKeys    int                 // of one binding at a time
}

type handlers struct{ cfg Config }

// Routes returns the route, which belongs on a listener that asks clients for their
// certificates. The zero Config is enough for the documents.
func Routes(cfg Config) []rest.Route {
	h := &handlers{cfg}
	return []rest.Route{{
		Name: "login.x509", Method: http.MethodGet, Path: "/v1/service-types/{type}/hosts/{host}:authx509",
		Access: rest.Access{AnyKey: true}, Authenticate: h.authenticate, Writes: true, Handler: h.login,
		Doc:      "Returns a new API key of the user that has a binding of the client's certificate, for this host of a service of this type. On the listener `api.x509.listen` alone.",
		Response: wire.Login{},
	}}
}

// authenticate implements rest.Authenticator.
func (h *handlers) authenticate(r *rest.Request) (rest.Verification, error) {
	var presented []*x509.Certificate
	if state := r.HTTP.TLS; state != nil {
		presented = state.PeerCertificates
	}
	c, err := h.verify(r.Context(), presented, r.Now())
	if err != nil {
		return nil, err
	}
	r.Change.ActorCertificate, r.Change.ActorSerial = c.subject, c.serial
	want := directory.OtherKey{Kind: directory.KeyBinding, DN: c.subject, ServiceType: r.Var(rest.VarServiceType), Host: r.Var(rest.VarHost)}
	credential, banned := &tokens.Credential{Host: r.Host()}, &tokens.Credential{} // bans of networks do not hold for the API
	banned.SetDigest(c.digest)
	return func(s *snapshot.Snapshot) (identity.Identity, error) {
		rec, err := findBinding(s, &want)
		if err != nil {
			return identity.Identity{}, err
		}
		id := identity.Identity{
			Name: rec.User.Name, Authority: identity.AuthorityDirectory, Method: identity.MethodCertificate,
			KeyID: rec.Key.ID, NotAfter: c.ends, Networks: rec.Key.Networks,
		}
		if end := rec.Key.Expires; !end.IsZero() && end.Before(id.NotAfter) {
			id.NotAfter = end
		}
		err = tokens.CheckKey(rec, credential, id, r.Now())
		if err == nil {
			err = tokens.CheckPresented(s, banned, id, r.Now)
		}
		if err != nil {
			return identity.Identity{}, apierror.CertificateRefused("Your binding may not be used now").WithCause(err)
		}
		return id, nil
	}, nil
}

func findBinding(s *snapshot.Snapshot, want *directory.OtherKey) (directory.KeyRecord, error) {
	if s == nil {
		return directory.KeyRecord{}, apierror.Unavailable(errors.New("no directory is loaded"))
	}
	digest := directory.BindingDigest(want.DN, want.ServiceType, want.Host)
	rec, ok := s.LookupKey(digest)
	switch {
	case ok && rec.Key.Other != nil && *rec.Key.Other == *want:
		return rec, nil
	case s.Undecided(digest):
		return rec, apierror.Unavailable(errors.New("directory entries that may hold the binding cannot be read"))
	default:
		return rec, apierror.BindingNotFound().WithDetails(fmt.Sprintf("the subject of your certificate is %s", want.DN))
	}
}

// login makes a key for the binding that authenticate has found.
func (h *handlers) login(r *rest.Request) (*rest.Response, error) {
	token, err := apikey.New(r.Random())
	if err != nil {
		return nil, err
	}
	var id string // of the new key
	view := func(s *snapshot.Snapshot) (any, uint64, bool) { return users.KeyView(r.Caller.Name, id)(s) }
	next, err := r.Commit(apierror.Key, view, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		r.RateLimited, r.Change.Before = false, nil // what an earlier attempt has set
		u := r.Caller
		i := slices.IndexFunc(u.Keys, func(k directory.Key) bool { return k.ID == r.Identity.KeyID })
		var ended []*directory.Key
		var wait time.Duration
		if id, ended, wait = h.nextKey(u, &u.Keys[i], r.Now()); id == "" {
			r.RateLimited = true
			return nil, apierror.TooManyRequests("Your binding has too many keys that are still valid", wait).
				WithDetails("use a key until it ends; api.x509.max_keys is the limit")
		}
		var change []directory.Entry
		for _, k := range ended {
			if k.ID != id {
				change = append(change, directory.Remove(directory.KeyKey(u.ID, k.ID))...)
			}
		}
		k := &directory.Key{Digest: directory.DigestOf(token), Created: r.Now(), Expires: r.Now().Add(h.cfg.Lifetime), Networks: r.Identity.Networks}
		if k.Expires.After(r.Identity.NotAfter) {
			k.Expires = r.Identity.NotAfter.UTC()
		}
		return append(change, directory.Put(directory.KeyKey(u.ID, id), k)...), nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := r.ShowCommitted(next, view); err != nil { // for the audit
		return nil, err
	}
	return &rest.Response{Body: wire.Login{Token: token}}, nil
}

// nextKey returns the id of the next key of a binding, and the keys that have ended. The
// number of ids is the limit on keys: they hold on all replicas, since the directory has
// them. Without a free id, wait says when there will be one.
func (h *handlers) nextKey(u *directory.User, binding *directory.Key, now time.Time) (id string, ended []*directory.Key, wait time.Duration) {
	taken := map[string]bool{}
	for _, k := range u.Keys { // one of another kind may have the id, by mistake
		taken[k.ID] = true
	}
	for _, k := range u.Logins(binding) {
		if k.Expires.IsZero() {
			continue // somebody else made it
		}
		if left := k.Expires.Sub(now); left <= 0 {
			ended = append(ended, k)
			delete(taken, k.ID)
		} else if wait == 0 || left < wait {
			wait = left
		}
	}
	for n := range h.cfg.MaxKeys {
		if id := binding.LoginPrefix() + strconv.Itoa(n); !taken[id] {
			return id, ended, 0
		}
	}
	return "", ended, wait
}
