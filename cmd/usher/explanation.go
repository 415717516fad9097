package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"usher/callout"
	"usher/directory"
	"usher/permissions"
)

// explanation is what "usher explain" prints. Its JSON form is stable.
type explanation struct {
	Outcome  callout.Outcome `json:"outcome"`
	Code     string          `json:"code"`
	Cause    string          `json:"cause,omitempty"`
	Verifier string          `json:"verifier,omitempty"`
	Identity *identityText   `json:"identity,omitempty"`
	Roles    []roleText      `json:"roles,omitempty"`
	selected string          // "project=lab"; empty: nothing
	Grant    *grantText      `json:"grant,omitempty"`
	Asked    []answerToAsked `json:"asked,omitempty"`
}

type identityText struct {
	Name      string     `json:"name"`
	Authority string     `json:"authority"`
	Method    string     `json:"method"`
	KeyID     string     `json:"key_id,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
}

type grantText struct {
	Account         string                     `json:"account"`
	Scope           string                     `json:"scope,omitempty"` // its template gives the permissions; rules is empty
	InboxPrefix     string                     `json:"inbox_prefix"`
	Ends            *time.Time                 `json:"ends,omitempty"`
	EndsBecause     string                     `json:"ends_because"`
	Networks        []string                   `json:"networks,omitempty"`
	ConnectionTypes []directory.ConnectionType `json:"connection_types,omitempty"`
	Tags            []string                   `json:"tags"`
	Rules           []permissions.Rule         `json:"rules"`
}

type answerToAsked struct {
	Side     permissions.Side  `json:"side"`
	Subject  string            `json:"subject"`
	Allowed  bool              `json:"allowed"`
	Filtered bool              `json:"filtered,omitempty"` // allowed, without what the rule denies
	Unknown  bool              `json:"unknown,omitempty"`  // the template of a scope decides, which usher does not have
	Rule     *permissions.Rule `json:"rule,omitempty"`     // none: nothing allows it
}

func explanationOf(p *parts, d *callout.Decision, asked []question) *explanation {
	x := &explanation{Outcome: d.Outcome, Code: d.Code, Cause: d.Cause, Verifier: d.Verifier}
	if d.Identity.Name != "" {
		x.Identity = &identityText{
			Name: d.Identity.Name, Authority: string(d.Identity.Authority),
			Method: string(d.Identity.Method), KeyID: d.Identity.KeyID,
		}
		if end := d.Identity.NotAfter; !end.IsZero() {
			x.Identity.NotAfter = &end
		}
	}
	x.Roles, x.selected = rolesOf(p, d), selected(d.Identity.Selection)
	if d.Outcome != callout.Granted {
		return x
	}
	g := &d.Grant
	x.Grant = &grantText{
		Account: g.Account, Scope: g.Scope, InboxPrefix: g.InboxPrefix,
		ConnectionTypes: g.ConnectionTypes, Tags: g.Tags, Rules: append([]permissions.Rule{}, g.Rules...),
	}
	x.Grant.Ends, x.Grant.EndsBecause = ends(p, d, p.now())
	for _, n := range d.Identity.Networks { // a grant of a scope does not state them
		x.Grant.Networks = append(x.Grant.Networks, n.String())
	}
	for _, q := range asked {
		if g.Scope != "" {
			x.Asked = append(x.Asked, answerToAsked{Side: q.side, Subject: q.subject, Unknown: true})
			continue
		}
		v := g.Check(q.side, q.subject)
		x.Asked = append(x.Asked, answerToAsked{Side: q.side, Subject: q.subject, Allowed: v.Allowed, Filtered: v.Filtered, Rule: v.Rule})
	}
	return x
}

// refuses reports whether a subject that was asked for is not allowed.
func (x *explanation) refuses() bool {
	for _, a := range x.Asked {
		if !a.Allowed && !a.Unknown {
			return true
		}
	}
	return false
}

// unknown reports whether something was asked that only a template can answer.
func (x *explanation) unknown() bool {
	return slices.ContainsFunc(x.Asked, func(a answerToAsked) bool { return a.Unknown })
}

func (x *explanation) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(x)
}

func (x *explanation) printText(out io.Writer) error {
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
		line("identity", "%s, vouched for by %s, method %s", id.Name, id.Authority, id.Method)
		if id.KeyID != "" {
			line("key", "%s", id.KeyID)
		}
		if id.NotAfter != nil {
			line("key ends", "%s", id.NotAfter.Format(time.RFC3339))
		}
	}
	for _, r := range x.Roles {
		line("role", "%s", r.text(x.selected))
	}
	if x.Grant != nil {
		x.Grant.lines(line)
	}
	for _, a := range x.Asked {
		line(string(a.Side)+"?", "%s", a.text())
	}
	return w.Flush()
}

func (g *grantText) lines(line func(label, format string, args ...any)) {
	line("account", "%s", g.Account)
	if g.Scope != "" {
		line("scope", "%s: the template of %s's scoped signing key gives the permissions", g.Scope, g.Account)
		line("inbox", "%s, if the template allows it", g.InboxPrefix)
	} else {
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
	for _, t := range g.ConnectionTypes {
		line("connects by", "%s", t)
	}
	line("tags", "%s", strings.Join(g.Tags, ", "))
	for _, r := range g.Rules {
		line(string(r.Side), "%s %s\t%s", r.Effect, r.Subject, r.Origin)
	}
}

func (a *answerToAsked) text() string {
	switch {
	case a.Unknown:
		return a.Subject + ": the template decides, which is in the account JWT and not here"
	case a.Filtered:
		return fmt.Sprintf("%s: yes, but not what is denied by %q (%s)", a.Subject, a.Rule.Subject, a.Rule.Origin)
	case a.Allowed:
		return fmt.Sprintf("%s: yes, by %q (%s)", a.Subject, a.Rule.Subject, a.Rule.Origin)
	case a.Rule != nil:
		return fmt.Sprintf("%s: no, denied by %q (%s)", a.Subject, a.Rule.Subject, a.Rule.Origin)
	default:
		return a.Subject + ": no, nothing allows it"
	}
}
