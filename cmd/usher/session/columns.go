package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"usher/api/wire"
	"usher/app/explanation"
	"usher/cmd/usher/remote"
)

// columns are the columns of a session. details: the servers were asked about it.
func columns(details bool) []remote.Column[wire.Session] {
	all := []remote.Column[wire.Session]{
		{Name: "id", Value: func(s *wire.Session) string { return s.ID }},
		{Name: "user", Value: func(s *wire.Session) string { return s.User }},
		{Name: "credential", Value: credential},
		{Name: "rules", DetailOnly: true, Value: func(s *wire.Session) string { return remote.JoinList(s.Rules) }},
		{Name: "projects", Value: projects},
		{Name: "account", Value: func(s *wire.Session) string { return s.Account }},
		{Name: "from", Value: func(s *wire.Session) string { return s.ClientHost }},
		{Name: "over", Value: func(s *wire.Session) string { return s.ClientType }},
		{Name: "client", DetailOnly: true, Value: func(s *wire.Session) string { return strings.TrimSpace(s.ClientName + " " + s.ClientVersion) }},
		{Name: "server", Value: func(s *wire.Session) string { return s.ServerName }},
		{Name: "since", Value: func(s *wire.Session) string { return remote.FormatTime(s.StartedOn) }},
		{Name: "ends", Value: func(s *wire.Session) string { return remote.FormatTime(s.ExpiresOn) }},
		{Name: "request", DetailOnly: true, Value: func(s *wire.Session) string { return s.RequestID }},
	}
	if !details {
		return all
	}
	detail := func(name string, value func(*wire.SessionDetails) string) remote.Column[wire.Session] {
		return remote.Column[wire.Session]{Name: name, Value: func(s *wire.Session) string {
			if s.Details == nil {
				return ""
			}
			return value(s.Details)
		}}
	}
	return append(all,
		detail("idle", func(d *wire.SessionDetails) string { return short(d.Idle) }),
		detail("rtt", func(d *wire.SessionDetails) string { return d.RTT }),
		detail("msgs in/out", func(d *wire.SessionDetails) string { return fmt.Sprintf("%d/%d", d.MessagesIn, d.MessagesOut) }),
		detail("bytes in/out", func(d *wire.SessionDetails) string {
			return remote.FormatSize(d.BytesIn) + "/" + remote.FormatSize(d.BytesOut)
		}),
		detail("subscriptions", func(d *wire.SessionDetails) string { return remote.JoinFirst(d.Subscriptions) }),
	)
}

// credential is how the client has authenticated.
func credential(s *wire.Session) string {
	switch {
	case s.OtherGrants:
		return "(not shown: it also holds for something else)"
	case s.Adopted:
		return "(not known)"
	case s.Key != "":
		return s.Method + " " + s.Key
	case s.IdentityID != "" && s.IdentityID != s.User:
		return s.Method + " " + s.IdentityID
	default:
		return s.Method
	}
}

func projects(s *wire.Session) string { return remote.JoinFirst(s.Projects) }

// short is a duration for people.
func short(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return d.Round(time.Second).String()
}

// explained returns an explanation as usher explain prints it.
func explained(text []byte) (string, error) {
	var x explanation.Explanation
	if err := json.Unmarshal(text, &x); err != nil {
		return "", fmt.Errorf("read the explanation: %w", err)
	}
	var b strings.Builder
	if err := x.WriteText(&b); err != nil {
		return "", err
	}
	lines := strings.SplitAfter(b.String(), "\n")
	for i, line := range lines {
		lines[i] = remote.Printable(strings.TrimSuffix(line, "\n")) + "\n"
	}
	return strings.TrimSuffix(strings.Join(lines, ""), "\n"), nil
}
