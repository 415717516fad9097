package introspection

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
)

// Rules say which responses verify a token.
type Rules struct {
	Issuer      string        // that a response names if it names one; empty: any
	Audiences   []string      // of which a response names at least one
	AnyAudience bool          // instead of Audiences
	Scopes      []string      // that a response names, all of them
	IDClaim     string        // member that becomes the ID of the identity; default "sub"
	Leeway      time.Duration // by which the clock of the server may be ahead, for nbf and iat

	authority identity.Authority
}

// check returns an error that begins with the name of a configuration key.
func (r *Rules) check() error {
	switch {
	case len(r.Audiences) == 0 && !r.AnyAudience:
		return errors.New("audiences: must not be empty, unless any_audience is true")
	case len(r.Audiences) != 0 && r.AnyAudience:
		return errors.New("any_audience: must not be true with audiences")
	}
	if r.IDClaim == "" {
		r.IDClaim = "sub"
	}
	return nil
}

// maxID is the longest ID, in bytes.
const maxID = 255

// judge turns a response (RFC 7662 section 2.2) into an answer. An error says that the
// response is not in the form of the RFC.
func (r *Rules) judge(members map[string]any, now time.Time) (backend.Answer, error) {
	active, ok := members["active"].(bool)
	if !ok {
		return backend.Answer{}, errors.New("the response does not say whether the token is active")
	}
	if !active {
		return refuse(CodeInactive, "the authorization server says that the token is not active", identity.Identity{}), nil
	}
	f, err := readFacts(members, r.IDClaim)
	if err != nil {
		return backend.Answer{}, backend.Unusable(err)
	}
	id := identity.Identity{
		ID: f.id, Authority: r.authority, Method: identity.MethodIntrospection, NotAfter: f.expires,
	}
	if code, cause := r.fault(&f, now); code != "" {
		return refuse(code, cause, id), nil
	}
	id.Attributes = identity.Attributes{"claims": members}
	return backend.Answer{Identity: id, Until: f.expires}, nil
}

func refuse(code, cause string, id identity.Identity) backend.Answer { //nolint:gocritic // once per refusal
	return backend.Answer{Refusal: &tokens.Reason{Code: code, Cause: cause, Identity: id}}
}

// fault returns the code and cause of a rejection, or nothing.
func (r *Rules) fault(f *facts, now time.Time) (code, cause string) {
	latest := now.Add(r.Leeway)
	switch {
	case r.Issuer != "" && f.issuer != "" && f.issuer != r.Issuer:
		return CodeIssuer, "the token is of another issuer"
	case !r.AnyAudience && !slices.ContainsFunc(f.audiences, func(a string) bool { return slices.Contains(r.Audiences, a) }):
		return CodeAudience, "the token is for none of the configured audiences"
	case !f.expires.IsZero() && !now.Before(f.expires):
		return CodeExpired, "the token expired at " + f.expires.Format(time.RFC3339)
	case latest.Before(f.notBefore):
		return CodeNotYetValid, "the token is not valid before " + f.notBefore.Format(time.RFC3339)
	case latest.Before(f.issued):
		return CodeNotYetValid, "the token is of the future: it was issued at " + f.issued.Format(time.RFC3339)
	case f.bound:
		return CodeBound, "the token is no bearer token: it is of another type, or bound to a key that NATS clients cannot prove"
	case f.id == "":
		return CodeNoID, "the response has no " + r.IDClaim + " to call the client by"
	}
	for _, s := range r.Scopes {
		if !slices.Contains(f.scopes, s) {
			return CodeScope, "the token lacks a required scope"
		}
	}
	return "", ""
}

// facts are the members of a response that decide.
type facts struct {
	id, issuer        string
	audiences, scopes []string
	expires           time.Time // zero: not stated, as the other times
	notBefore, issued time.Time
	bound             bool // to a key (RFC 7800), or not a bearer token for another reason
}

func readFacts(members map[string]any, idClaim string) (f facts, err error) {
	for _, m := range []struct {
		name string
		to   *string
	}{{"iss", &f.issuer}, {idClaim, &f.id}} {
		if *m.to, err = readText(members, m.name); err != nil {
			return f, err
		}
	}
	if len(f.id) > maxID || strings.ContainsFunc(f.id, isControl) {
		return f, fmt.Errorf("the member %s of the response is too long or contains control characters", idClaim)
	}
	scope, err := readText(members, "scope")
	if err != nil {
		return f, err
	}
	f.scopes = strings.Fields(scope)
	if f.audiences, err = readAudiences(members["aud"]); err != nil {
		return f, err
	}
	for _, m := range []struct {
		name string
		to   *time.Time
	}{{"exp", &f.expires}, {"nbf", &f.notBefore}, {"iat", &f.issued}} {
		if *m.to, err = readTime(members, m.name); err != nil {
			return f, err
		}
	}
	kind, err := readText(members, "token_type")
	if err != nil {
		return f, err
	}
	f.bound = members["cnf"] != nil || kind != "" && !strings.EqualFold(kind, "Bearer") && !strings.EqualFold(kind, "access_token")
	return f, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func errType(name string) error {
	return fmt.Errorf("the member %s of the response has the wrong type", name)
}

func readText(members map[string]any, name string) (string, error) {
	switch v := members[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", errType(name)
}

// readAudiences reads one text or a list of them (RFC 7519 section 4.1.3).
func readAudiences(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var out []string
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, errType("aud")
			}
			out = append(out, text)
		}
		return out, nil
	}
	return nil, errType("aud")
}

// maxTime is the end of the year 9999.
const maxTime = 253402300799

// readTime reads a NumericDate (RFC 7519 section 2).
func readTime(members map[string]any, name string) (time.Time, error) {
	switch v := members[name].(type) {
	case nil:
		return time.Time{}, nil
	case float64:
		if v >= 1 && v <= maxTime {
			whole, part := math.Modf(v)
			return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
		}
	}
	return time.Time{}, errType(name)
}
