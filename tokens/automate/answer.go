package automate

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/automate/automatepb"
	"usher/tokens/backend"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeRejected   = "automate_rejected"
	CodeNoProjects = "automate_no_projects"
	CodeForm       = "automate_form"
)

// Codes of what cannot be decided.
const (
	CodeUnreachable = "automate_unreachable"
	CodeSlow        = "automate_slow"
	CodeNotReady    = "automate_not_ready"
	CodeFailed      = "automate_failed"
	CodeUnusable    = "automate_unusable"
)

// Limits of the answers.
const (
	maxMessage = 256 << 10 // bytes of an answer
	maxHeader  = 32 << 10  // bytes of its metadata
	maxNames   = 1000      // teams, and projects
	maxName    = 256       // bytes of each
	maxToken   = 4 << 10   // bytes of a token that is sent
	maxStatus  = 200       // bytes of the message of a status that are shown
)

// What makes an answer unusable. Nothing of the answer is quoted.
var (
	errSubject   = errors.New("subject: empty, too long or with control characters")
	errQuoted    = errors.New("subject: it contains the token, which must not become a name")
	errRequestor = errors.New("requestor: too long or with control characters")
	errTeams     = errors.New("teams: too many, or one that is empty, too long or with control characters")
	errProjects  = errors.New("projects: too many, or one that is empty, too long or with control characters")
)

// checkWho returns an error if an answer of authn-service does not say whose the token is.
func checkWho(who *automatepb.AuthenticateResponse) error {
	switch {
	case !isName(who.GetSubject()):
		return errSubject
	case !areNames(who.GetTeams()):
		return errTeams
	case who.GetRequestor() != "" && !isName(who.GetRequestor()):
		return errRequestor
	}
	return nil
}

// minQuoted is the length of a token from which it is searched for in names. A shorter one
// may be a part of a name by chance, and is no secret that holds.
const minQuoted = 16

// quotes reports whether an answer repeats the token. A subject becomes the name of the
// user JWT, which nats-server's monitoring shows.
func quotes(who *automatepb.AuthenticateResponse, token string) bool {
	if len(token) < minQuoted {
		return false
	}
	names := append([]string{who.GetSubject(), who.GetRequestor()}, who.GetTeams()...)
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, token) })
}

func areNames(all []string) bool {
	if len(all) > maxNames {
		return false
	}
	for _, name := range all {
		if !isName(name) {
			return false
		}
	}
	return true
}

func isName(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, unicode.IsControl)
}

// answer returns what both services say of a token.
func answer(authority identity.Authority, who *automatepb.AuthenticateResponse, projects []string) backend.Answer {
	id := identity.Identity{
		ID: who.GetSubject(), Authority: authority, Method: identity.MethodAutomate,
		Attributes: identity.Attributes{"claims": map[string]any{
			"subject": who.GetSubject(), "requestor": who.GetRequestor(),
			"teams": list(who.GetTeams()), "projects": list(projects),
		}},
	}
	if len(projects) == 0 {
		return backend.Answer{Refusal: &tokens.Reason{
			Code: CodeNoProjects, Cause: "authz-service allows the subject the action in no project", Identity: id,
		}}
	}
	return backend.Answer{Identity: id}
}

// list returns a list as rules of identities have it.
func list(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = name
	}
	return all
}
