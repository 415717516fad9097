package remote

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"usher/api/client"
)

// requestError gives the error of a request an exit code and a hint.
func (v *Command) requestError(r *Session, err error) error {
	var e *fault.Error
	var refused *client.Error
	var unknownAuthority x509.UnknownAuthorityError
	var dial *net.OpError
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.As(err, &refused):
		return &fault.Error{Kind: refusalKind(refused), Err: err, Hint: v.refusalHint(r, refused)}
	case errors.Is(err, client.ErrName), errors.Is(err, client.ErrSession):
		return cmdutil.UsageError("", "%w", err)
	case answeredByNATS(err):
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%s is the port of a nats-server", r.server), Hint: "give the URL of api.listen"}
	case errors.As(err, &unknownAuthority):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "name the authority that signed its certificate with --ca-file FILE"}
	case errors.Is(err, client.ErrServerTLS):
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%s: %w", r.server, err), Hint: "the address begins with https://: " + saveServer("https", r.server)}
	case errors.Is(err, http.ErrSchemeMismatch):
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%s: the server does not speak TLS", r.server), Hint: "is it usher without api.tls? " + saveServer("http", r.server)}
	case errors.Is(err, client.ErrResponse):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "check that --server is the address of api.listen, and not that of http.listen or of another program"}
	case errors.Is(err, client.ErrOutcomeUnknown):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "check whether the change was made before you repeat it"}
	case errors.As(err, &dial) && dial.Op == "dial":
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "check that usher runs there with api.listen set; usher context show shows the server in use"}
	default:
		return err
	}
}

// saveServer is how to use a server with another scheme.
func saveServer(scheme, server string) string {
	if u, err := url.Parse(server); err == nil {
		u.Scheme = scheme
		server = u.String()
	}
	return "give --server " + server + ", or keep it with usher context save NAME --server " + server
}

// answeredByNATS reports whether the error comes from the INFO line with which a
// nats-server greets its clients.
func answeredByNATS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) && string(record.RecordHeader[:]) == "INFO " ||
		strings.Contains(err.Error(), "malformed HTTP") && strings.Contains(err.Error(), "server_id") // net/http has no type for it
}

func refusalKind(e *client.Error) fault.Kind {
	switch {
	case e.Denied():
		return fault.Denied
	case e.Code == http.StatusBadRequest:
		return fault.Usage
	default:
		return fault.Runtime
	}
}

func (v *Command) refusalHint(r *Session, e *client.Error) string {
	switch {
	case e.Code == http.StatusUnauthorized:
		return "the key is unknown to this server, expired, or not allowed from this address"
	case e.Code == http.StatusForbidden:
		return cmp.Or(v.ForbiddenHint, "the user of this key lacks the role; usher user profile shows its roles")
	case e.Modified():
		return "another change came first: check the current state, then try again"
	case e.Code == http.StatusConflict && e.Status == "CONFLICT":
		return v.ConflictHint
	case e.Code == http.StatusNotFound && v.NotFoundHint != "":
		return v.NotFoundHint
	case e.Code == http.StatusNotFound:
		return v.requested(r)
	case e.Status == "RESOURCE_EXHAUSTED":
		return "remove what is not needed and wait a day, ask a service admin to do this, or raise directory.max_project_bytes in usher.yaml"
	case e.Code == http.StatusInsufficientStorage:
		return "remove what is not needed; or enlarge the bucket: nats stream edit KV_usher_directory --max-bytes SIZE (docs/reference/directory-bucket.md)"
	case e.Code == http.StatusTooManyRequests:
		return "wait a few seconds, then try again"
	case e.Code == http.StatusServiceUnavailable:
		return "a change may have been made: check before you repeat it"
	default:
		return ""
	}
}

// requested lists the names that the request referred to, or returns "".
func (v *Command) requested(r *Session) string {
	var objects []string
	names := strings.Fields(v.Args)
	for i, text := range r.CLI.Args().Slice() {
		if v.UncheckedArgs {
			break
		}
		kind := strings.ToLower(strings.TrimSuffix(names[min(i, len(names)-1)], "..."))
		if kind == "name" {
			kind = v.noun
		}
		objects = append(objects, kind+" "+text)
	}
	if topic := r.CLI.String("topic"); topic != "" {
		objects = append(objects, "topic "+topic)
	}
	project := r.Project
	if !v.NeedsProject {
		project = r.CLI.String("project")
	}
	if project != "" {
		objects = append(objects, "project "+project)
	}
	if len(objects) == 0 {
		return ""
	}
	return "requested: " + strings.Join(objects, ", ")
}
