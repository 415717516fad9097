package remote

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"usher/api/client"
)

// failed gives what a request failed with its exit code and its hint.
func (v *Command) failed(r *Remote, err error) error {
	var e *fault.Error
	var no *client.Error
	var unknown x509.UnknownAuthorityError
	var dial *net.OpError
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.As(err, &no):
		return &fault.Error{Kind: refusalKind(no), Err: err, Hint: v.refusalHint(r, no)}
	case errors.Is(err, client.ErrName):
		return cmdutil.UsageError("", "%w", err)
	case errors.As(err, &unknown):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "--ca-file FILE names the authority that signed its certificate"}
	case errors.Is(err, client.ErrResponse):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "is --server the address of the management API?"}
	case errors.Is(err, client.ErrOutcomeUnknown):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "look before you do it again"}
	case errors.As(err, &dial) && dial.Op == "dial":
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "does a usher with api.listen run there? usher context show says which server is asked"}
	default:
		return err
	}
}

func refusalKind(no *client.Error) fault.Kind {
	switch {
	case no.Denied():
		return fault.Denied
	case no.Code == http.StatusBadRequest:
		return fault.Usage
	default:
		return fault.Runtime
	}
}

func (v *Command) refusalHint(r *Remote, no *client.Error) string {
	switch {
	case no.Code == http.StatusUnauthorized:
		return "the key is not known there, or has ended, or may not be used from here"
	case no.Code == http.StatusForbidden:
		return "the roles of the key's user are not enough; usher user profile shows them"
	case no.Modified():
		return "look at what is there now, and try again if it still has to be done"
	case no.Code == http.StatusConflict && no.Status == "CONFLICT":
		return v.ConflictHint
	case no.Code == http.StatusNotFound && v.NotFoundHint != "":
		return v.NotFoundHint
	case no.Code == http.StatusNotFound:
		return v.lookedFor(r)
	case no.Status == "RESOURCE_EXHAUSTED":
		return "remove what is not needed and wait a day, ask a service admin to do this, or raise directory.max_project_bytes in usher.yaml"
	case no.Code == http.StatusInsufficientStorage:
		return "remove what is not needed; or give the bucket more room: nats stream edit KV_usher_directory --max-bytes SIZE (docs/reference/directory-bucket.md)"
	case no.Code == http.StatusTooManyRequests:
		return "wait a little"
	case no.Code == http.StatusServiceUnavailable:
		return "if this was a change, it may have been made: look before you do it again"
	default:
		return ""
	}
}

// lookedFor says what was asked about; empty: nothing by name.
func (v *Command) lookedFor(r *Remote) string {
	var things []string
	names := strings.Fields(v.Args)
	for i, text := range r.CLI.Args().Slice() {
		if v.AnyArgs {
			break
		}
		thing := strings.ToLower(strings.TrimSuffix(names[min(i, len(names)-1)], "..."))
		if thing == "name" {
			thing = v.noun
		}
		things = append(things, thing+" "+text)
	}
	if topic := r.CLI.String("topic"); topic != "" {
		things = append(things, "topic "+topic)
	}
	project := r.Project
	if !v.InProject {
		project = r.CLI.String("project")
	}
	if project != "" {
		things = append(things, "project "+project)
	}
	if len(things) == 0 {
		return ""
	}
	return "asked about: " + strings.Join(things, ", ")
}
