package explanation

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteJSON writes x as "usher explain --json" does.
func (x *Explanation) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(x)
}

// WriteText writes x for people, in aligned columns.
func (x *Explanation) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(label, format string, args ...any) { fmt.Fprintf(w, label+"\t"+format+"\n", args...) }
	if x.Code == string(x.Outcome) {
		line("outcome", "%s", x.Outcome)
	} else {
		line("outcome", "%s (%s)", x.Outcome, x.Code)
	}
	if x.Cause != "" {
		line("cause", "%s", x.Cause)
	}
	if x.Verifier != "" {
		line("verifier", "%s", x.Verifier)
	}
	if id := x.Identity; id != nil {
		id.lines(line)
		if id.KeyID != "" {
			line("key", "%s", id.KeyID)
		}
		if id.NotAfter != nil {
			line("expires", "%s", id.NotAfter.Format(time.RFC3339))
		}
	}
	for i := range x.Rules {
		line("rule", "%s", x.Rules[i].text())
	}
	if x.Profile != "" {
		line("profile", "%s", x.Profile)
	}
	for _, r := range x.Roles {
		line("role", "%s", r.text(x.selected))
	}
	if x.Size != nil && x.Size.Bytes > x.Size.Limit/2 { // shown only if it comes near the limit
		line("size", "up to %d bytes; an answer may have %d", x.Size.Bytes, x.Size.Limit)
	}
	if x.Grant != nil {
		x.Grant.lines(line)
	}
	for _, a := range x.Answers {
		line(string(a.Side)+"?", "%s", a.text())
	}
	return w.Flush()
}

func (g *Grant) lines(line func(label, format string, args ...any)) {
	line("account", "%s", g.Account)
	switch {
	case g.InboxPrefix == "":
		line("inbox", "none but what the profile states")
	case g.Scope != "":
		line("scope", "%s: the permissions come from the template of %s's scoped signing key", g.Scope, g.Account)
		line("inbox", "%s, if the template allows it", g.InboxPrefix)
	default:
		line("inbox", "%s", g.InboxPrefix)
	}
	if g.Ends == nil {
		line("ends", "never: %s", g.EndsBecause)
	} else {
		line("ends", "%s at the latest: %s", g.Ends.Format(time.RFC3339), g.EndsBecause)
	}
	if len(g.Networks) > 0 {
		line("networks", "%s", strings.Join(g.Networks, ", "))
	}
	if len(g.ConnectionTypes) > 0 {
		var types []string
		for _, t := range g.ConnectionTypes {
			types = append(types, string(t))
		}
		line("connects", "%s", strings.Join(types, ", "))
	}
	line("tags", "%s", strings.Join(g.Tags, ", "))
	for _, r := range g.Rules {
		line(string(r.Side), "%s %s\t%s", r.Effect, r.Subject, r.Origin)
	}
}

func (a *Answer) text() string {
	switch {
	case a.Unknown:
		return a.Subject + ": unknown, the template in the account JWT decides"
	case a.Filtered:
		return fmt.Sprintf("%s: yes, except for what %q denies (%s)", a.Subject, a.Rule.Subject, a.Rule.Origin)
	case a.Allowed:
		return fmt.Sprintf("%s: yes, allowed by %q (%s)", a.Subject, a.Rule.Subject, a.Rule.Origin)
	case a.Rule != nil:
		return fmt.Sprintf("%s: no, denied by %q (%s)", a.Subject, a.Rule.Subject, a.Rule.Origin)
	default:
		return a.Subject + ": no, nothing allows it"
	}
}
