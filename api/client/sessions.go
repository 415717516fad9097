package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"usher/api/wire"
)

// kickTimeout is the timeout of a kick. A context may end it earlier.
const kickTimeout = 65 * time.Minute

// Sessions returns the live sessions that a filter finds. project: those of one project, as
// its administrators see them; empty: all. details asks their servers about each of them.
func (c *Client) Sessions(ctx context.Context, project string, f *wire.SessionFilter, details bool) (*wire.SessionList, error) {
	opts := []option{
		query("user", f.User), query("project", f.Project), query("key", f.Key), query("method", f.Method), query("account", f.Account),
		query("server", f.Server), query("from", f.From), query("since", f.Since), query("ends_within", f.EndsWithin), query("subject", f.Subject),
		queries("id", f.IDs),
	}
	if details {
		opts = append(opts, query("details", strconv.FormatBool(true)))
	}
	out := &wire.SessionList{}
	all, err := fetchPages(ctx, c, sessionsPath(project), func(l *wire.SessionList) ([]wire.Session, string) {
		out.Unconfirmed = l.Unconfirmed
		return l.Sessions, l.NextPageToken
	}, opts...)
	out.Sessions, out.TotalSize = all, len(all)
	return out, err
}

// Session returns one session, with the reasons for its grant.
func (c *Client) Session(ctx context.Context, project, id string) (*wire.SessionExplained, error) {
	s, _, err := fetch[wire.SessionExplained](ctx, c, http.MethodGet, sessionsPath(project).session(id))
	return s, err
}

// Kick closes sessions. It calls progress for each line of the response but the last one.
func (c *Client) Kick(ctx context.Context, project string, in *wire.SessionKick, progress func(*wire.KickLine)) (*wire.KickResult, error) {
	r := newRequest(http.MethodPost, sessionsPath(project).append(":kick"), []option{body(in)})
	r.readOnly = in.DryRun
	response, err := c.openStream(ctx, r, kickTimeout)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	return readLines(response.Body, !in.DryRun, func(l *wire.KickLine) (*wire.KickResult, *wire.ErrorBody) {
		if l.Result == nil && l.Error == nil {
			progress(l)
		}
		return l.Result, l.Error
	})
}

// readLines reads a response with one JSON object a line. end returns the result, or the
// error, that the last line has. changes: the request may have changed something.
func readLines[L, R any](r io.Reader, changes bool, end func(*L) (*R, *wire.ErrorBody)) (*R, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		l := new(L)
		if json.Unmarshal(lines.Bytes(), l) != nil {
			return nil, fmt.Errorf("%w: not JSON of the expected shape", ErrResponse)
		}
		switch result, failed := end(l); {
		case failed != nil:
			return nil, bodyError(failed, "")
		case result != nil:
			return result, nil
		}
	}
	err := fmt.Errorf("%w: its last line is missing", ErrResponse)
	if lines.Err() != nil {
		err = fmt.Errorf("read the response: %w", lines.Err())
	}
	if changes {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil, err
}

func sessionsPath(project string) apiPath {
	if project == "" {
		return pathTo("sessions")
	}
	return projectPath(project).append("/sessions")
}

// session appends the id of a session, SERVER:CLIENT.
func (p apiPath) session(id string) apiPath {
	server, client, ok := strings.Cut(id, ":")
	if p = p.name(server); !ok || client == "" || strings.Trim(client, "0123456789") != "" {
		p.err = ErrSession
	}
	return p.append(":" + client)
}
