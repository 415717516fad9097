package kubernetes

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"usher/identity"
	"usher/internal/secret"
	"usher/tokens"
	"usher/tokens/backend"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeRejected = "kubernetes_rejected"
	CodeAudience = "kubernetes_audience"
	CodeAccount  = "kubernetes_not_a_service_account"
	CodeExpired  = "kubernetes_expired"
)

const (
	apiVersion = "authentication.k8s.io/v1"
	kind       = "TokenReview"
)

// review is a TokenReview.
type review struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Spec       *spec   `json:"spec,omitempty"`
	Status     *status `json:"status,omitempty"`
}

type spec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences"`
}

type status struct {
	Authenticated bool     `json:"authenticated"`
	User          user     `json:"user"`
	Audiences     []string `json:"audiences"`
	Error         string   `json:"error"`
}

type user struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Extra    map[string][]string `json:"extra"`
}

const maxCause = 300 // bytes of an error of the API server that are shown

var errNoReview = errors.New("the answer is no TokenReview of " + apiVersion + " with a status")

func (r *review) valid() bool { return r.APIVersion == apiVersion && r.Kind == kind && r.Status != nil }

// answer returns what a review says of a token for one of the audiences. An error means
// that it decides nothing.
func (r *review) answer(authority identity.Authority, audiences []string, hide secret.Filter) (backend.Answer, error) {
	if !r.valid() {
		return backend.Answer{}, errNoReview
	}
	s := r.Status
	switch {
	case s.Error != "" && (s.Authenticated || !isDefinite(s.Error)):
		return backend.Answer{}, fmt.Errorf("the API server cannot tell: %s", hide.Text(s.Error, maxCause))
	case s.Error != "":
		return refuse(CodeRejected, "the API server refuses the token: "+hide.Text(s.Error, maxCause)), nil
	case !s.Authenticated:
		return refuse(CodeRejected, "the API server does not know the token"), nil
	case !slices.ContainsFunc(s.Audiences, func(a string) bool { return slices.Contains(audiences, a) }):
		return refuse(CodeAudience, "the API server does not confirm any of the audiences "+strings.Join(audiences, ", ")), nil
	}
	facts, ok := s.User.facts()
	if !ok {
		return refuse(CodeAccount, "the token is not that of a service account"), nil
	}
	return backend.Answer{Identity: identity.Identity{
		ID: s.User.Username, Authority: authority, Method: identity.MethodKubernetes,
		Attributes: identity.Attributes{"kubernetes": facts},
	}}, nil
}

func refuse(code, cause string) backend.Answer {
	return backend.Answer{Refusal: &tokens.Reason{Code: code, Cause: cause}}
}

// definite matches the errors with which the authenticator of service accounts refuses a
// token that has the issuer of the cluster, of Kubernetes 1.21 to 1.34
// (pkg/serviceaccount/jwt.go, claims.go and legacy.go there). The API sets the same field
// when a webhook or an identity provider of its own cannot be reached, and has no other
// that tells the two apart.
var definite = regexp.MustCompile(`service account token (has expired|has been invalidated|is not valid yet)` +
	`|service account \S+ has been deleted` +
	`|serviceaccounts? "[^"]*" not found` +
	`|(service account |secret |pod |node )?UID \([^)]*\) does not match` +
	`|token audiences .* is invalid for the target audiences` +
	`|token issuer .* is invalid` +
	`|invalid signature, no keys found` +
	`|error in cryptographic primitive`)

// isDefinite reports whether an error of a TokenReview says that the token is bad, and not
// that the API server could not check it. "invalid bearer token" stands before the errors
// of older releases, and says it alone.
func isDefinite(text string) bool {
	return text == "invalid bearer token" || text == "[invalid bearer token]" || definite.MatchString(text)
}

// A name of Kubernetes (RFC 1123), and the user name of a service account.
const (
	label     = `[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?`
	subdomain = label + `(?:\.` + label + `)*`
)

var account = regexp.MustCompile(`^system:serviceaccount:(` + label + `):(` + subdomain + `)$`)

const maxSubdomain = 253 // characters

// facts returns the facts about a service account, as package oidc has them. ok is false
// for any other user.
func (u *user) facts() (facts map[string]any, ok bool) {
	m := account.FindStringSubmatch(u.Username)
	if m == nil || len(m[2]) > maxSubdomain {
		return nil, false
	}
	facts = map[string]any{"namespace": m[1], "service_account": m[2]}
	if u.UID != "" {
		facts["service_account_uid"] = u.UID
	}
	for _, of := range []struct{ extra, fact string }{
		{"pod-name", "pod"}, {"pod-uid", "pod_uid"}, {"node-name", "node"}, {"node-uid", "node_uid"},
	} {
		if values := u.Extra["authentication.kubernetes.io/"+of.extra]; len(values) == 1 && values[0] != "" {
			facts[of.fact] = values[0]
		}
	}
	return facts, true
}
