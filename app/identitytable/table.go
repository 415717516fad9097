package identitytable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"usher/callout"
	"usher/callout/codes"
	"usher/identity"
	"usher/internal/nearest"
	"usher/internal/secret"
	"usher/internal/secretfile"
	"usher/internal/strictyaml"
	"usher/permissions"
	"usher/tokens"

	"usher/app/explanation"
)

// Case is one line of a table: an identity or a token, and what is expected for it.
type Case struct {
	Name      string    `yaml:"name" required:"true"`
	Identity  *Identity `yaml:"identity"`   // verified; or
	TokenFile string    `yaml:"token_file"` // file with a token, which the verifiers of the configuration verify
	Host      string    `yaml:"host"`       // of the client with the token
	Select    string    `yaml:"select"`     // project=P or account=A
	Expect    Expect    `yaml:"expect" required:"true"`

	line      int                `yaml:"-"`
	selection identity.Selection `yaml:"-"`
	token     string             `yaml:"-"`
	questions []question         `yaml:"-"`
}

// Identity is what a verifier would return.
type Identity struct {
	Authority  string         `yaml:"authority" required:"true"`
	Method     string         `yaml:"method" required:"true"`
	ID         string         `yaml:"id"`
	Attributes map[string]any `yaml:"attributes"`
}

// Expect is what a case must get. What is not stated is not compared.
type Expect struct {
	Outcome       callout.Outcome `yaml:"outcome"`
	Code          string          `yaml:"code"`
	User          string          `yaml:"user"`    // name of the identity
	Rule          string          `yaml:"rule"`    // names of the rules that decide, separated by ", "
	Account       string          `yaml:"account"` // of the grant
	Profile       string          `yaml:"profile"` // of usher.yaml
	Roles         []string        `yaml:"roles"`   // all of them: PROJECT/ROLE, or a service role
	Publish       []string        `yaml:"publish"`
	DenyPublish   []string        `yaml:"deny_publish"`
	Subscribe     []string        `yaml:"subscribe"`
	DenySubscribe []string        `yaml:"deny_subscribe"`
}

// question is a subject, and the expected answer.
type question struct {
	explanation.Question
	allowed bool
	key     string // of Expect
}

// Load reads a table and the files with tokens that it names, whose paths are relative to
// the table. authorities are those of the configuration: no identity is of another one; nil: not known.
// If the table is invalid, the error is a strictyaml.Errors with every fault.
func Load(file string, authorities []string) ([]Case, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, err
	}
	return parse(file, data, authorities)
}

func parse(file string, data []byte, authorities []string) ([]Case, error) {
	var cases []Case
	src, err := strictyaml.Decode(file, data, &cases)
	var faults strictyaml.Errors
	if err != nil && !errors.As(err, &faults) {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, faults
	}
	r := reader{src: src, dir: filepath.Dir(file), authorities: authorities}
	if len(cases) == 0 {
		r.add("", "a list of {name, identity, expect} (docs/reference/identities.md)", "has no cases")
	}
	for i := range cases {
		r.read(strictyaml.IndexPath("", i), &cases[i])
	}
	if len(r.faults) > 0 {
		r.faults.Sort()
		return nil, r.faults
	}
	return cases, nil
}

// reader checks cases, and adds what follows from them.
type reader struct {
	src         *strictyaml.Source
	dir         string
	authorities []string
	faults      strictyaml.Errors
}

func (r *reader) add(path, hint, format string, args ...any) {
	r.faults = append(r.faults, r.src.Errorf(path, hint, format, args...))
}

func (r *reader) read(at string, c *Case) {
	c.line = r.src.Errorf(at, "", "").Line
	switch {
	case (c.Identity == nil) == (c.TokenFile == ""):
		r.add(at, "", "needs either identity or token_file")
	case c.TokenFile != "":
		r.readToken(at+".token_file", c)
	default:
		r.checkIdentity(at+".identity", c.Identity)
	}
	if c.Host != "" && c.Identity != nil {
		r.add(at+".host", "", "is for token_file only")
	}
	var err error
	selected := tokens.Credential{User: c.Select}
	if c.selection, err = selected.UserSelection(); c.Select != "" && (err != nil || c.selection.IsZero()) {
		r.add(at+".select", "project=P or account=A", "selects neither a project nor an account")
	}
	r.readExpect(at+".expect", c)
}

func (r *reader) readToken(at string, c *Case) {
	path := c.TokenFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		r.add(at, "", "%v", err)
		return
	}
	defer f.Close() //nolint:errcheck // read only
	if c.token, err = secretfile.ReadLine(f, path); err != nil {
		r.add(at, "", "%v", err)
	}
}

func (r *reader) checkIdentity(at string, id *Identity) {
	switch identity.Authority(id.Authority) {
	case identity.AuthorityDirectory, identity.AuthorityUsher:
		r.add(at+".authority", "the rules are for identities of other authorities; use token_file for a key of a user", "is usher's own")
	default:
		if r.authorities != nil && !slices.Contains(r.authorities, id.Authority) {
			r.add(at+".authority", strictyaml.Suggest(id.Authority, "credentials configures", r.authorities), "credentials has no authority %s", secret.Name(id.Authority))
		}
	}
	for key, value := range id.Attributes {
		if _, ok := value.(map[string]any); !ok {
			r.add(strictyaml.KeyPath(at+".attributes", key), "such as attributes: {claims: {sub: x}}", "expected a mapping")
		}
	}
}

func (r *reader) readExpect(at string, c *Case) {
	e := &c.Expect
	outcomes := []callout.Outcome{callout.Granted, callout.Denied, callout.Unavailable}
	if e.Outcome != "" && !slices.Contains(outcomes, e.Outcome) {
		r.add(at+".outcome", "one of granted, denied, unavailable", "is no outcome of a decision")
	}
	var all []string
	for _, known := range codes.All() {
		all = append(all, known.Code)
	}
	if e.Code != "" && !slices.Contains(all, e.Code) {
		hint := "docs/reference/errors.md lists the codes"
		if near, ok := nearest.To(e.Code, all); ok {
			hint = "did you mean " + near + "?"
		}
		r.add(at+".code", hint, "is no code of a decision")
	}
	for _, asked := range []struct {
		key      string
		side     permissions.Side
		allowed  bool
		subjects []string
	}{
		{"publish", permissions.Publish, true, e.Publish},
		{"deny_publish", permissions.Publish, false, e.DenyPublish},
		{"subscribe", permissions.Subscribe, true, e.Subscribe},
		{"deny_subscribe", permissions.Subscribe, false, e.DenySubscribe},
	} {
		for i, subject := range asked.subjects {
			q := question{explanation.Question{Side: asked.side, Subject: subject}, asked.allowed, asked.key}
			if err := q.Valid(); err != nil {
				r.add(fmt.Sprintf("%s.%s[%d]", at, asked.key, i), "", "%v", err)
			}
			c.questions = append(c.questions, q)
		}
	}
	if !e.compares() {
		r.add(at, "such as {outcome: denied, code: no_identity_rule}", "expects nothing")
	}
}

// compares reports whether anything is expected.
func (e *Expect) compares() bool {
	texts := []string{string(e.Outcome), e.Code, e.User, e.Rule, e.Account, e.Profile}
	return strings.Join(texts, "") != "" || e.Roles != nil || len(e.Publish)+len(e.DenyPublish)+len(e.Subscribe)+len(e.DenySubscribe) > 0
}
