package mapping

import (
	"fmt"
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"usher/identity"
	"usher/internal/nearest"
	"usher/internal/secret"
)

// maxPattern bounds the work of a pattern.
const maxPattern = 1024

// condition compiles a condition. The named groups of its regexp are added to groups.
func (c *compiler) condition(at string, in *Condition, groups map[string]bool) condition {
	var out condition
	var err error
	if out.fact, err = parsePath(in.Fact); err != nil {
		c.add(at+".fact", `separate keys by dots; write a key such as "https://acme/roles" in double quotes`, "%v", err)
	} else {
		c.known(at+".fact", &out.fact)
	}
	set := in.operators()
	if len(set) != 1 {
		found := "none"
		if len(set) > 0 {
			found = strings.Join(set, " and ")
		}
		c.add(at, "one of equals, in, contains, glob, regexp, exists", "needs exactly one operator, has %s", found)
		return out
	}
	out.operator = set[0]
	at += "." + out.operator
	switch out.operator {
	case opEquals:
		out.values = c.values(at, []any{in.Equals}, false)
	case opContains:
		out.values = c.values(at, []any{in.Contains}, false)
	case opIn:
		out.values = c.values(at, in.In, true)
	case opGlob:
		out.pattern = in.Glob
		if _, err := path.Match(in.Glob, ""); err != nil || len(in.Glob) > maxPattern {
			c.add(at, "* and ? stop at a /; [a-z] is a class; \\ escapes", "%s is no pattern", secret.Quote(in.Glob))
		}
	case opRegexp:
		out.pattern = in.Regexp
		out.regexp = c.regexp(at, in.Regexp, groups)
	case opExists:
		out.exists = *in.Exists
	}
	if len(out.fact.keys) == 1 && (out.operator == opEquals || out.operator == opIn) {
		c.possible(at, out.fact.keys[0], out.values)
	}
	return out
}

// operators returns the names of the operators that are set.
func (in *Condition) operators() []string {
	var set []string
	for _, o := range []struct {
		name  string
		isSet bool
	}{
		{opEquals, in.Equals != nil},
		{opIn, len(in.In) > 0},
		{opContains, in.Contains != nil},
		{opGlob, in.Glob != ""},
		{opRegexp, in.Regexp != ""},
		{opExists, in.Exists != nil},
	} {
		if o.isSet {
			set = append(set, o.name)
		}
	}
	return set
}

// values returns the normal form of values.
func (c *compiler) values(at string, values []any, list bool) []any {
	var normals []any
	for i, v := range values {
		at := at
		if list {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		n := normal(v)
		if err := CheckValue(v); err != nil {
			c.add(at, "", "%v", err)
		} else if slices.Contains(normals, n) {
			c.add(at, "", "is listed twice")
		}
		normals = append(normals, n)
	}
	return normals
}

// regexp compiles a regular expression that has to match all of the text.
func (c *compiler) regexp(at, text string, groups map[string]bool) *regexp.Regexp {
	if len(text) > maxPattern {
		c.add(at, "", "is longer than %d characters", maxPattern)
		return nil
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		c.add(at, "the syntax is that of RE2", "%v", err)
		return nil
	}
	if !isAnchored(tree) {
		c.add(at, `begin with ^ and end with $; write alternatives as ^(?:a|b)$`, "is not anchored at both ends")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		c.add(at, "the syntax is that of RE2", "%v", err)
		return nil
	}
	for _, name := range re.SubexpNames() {
		switch {
		case name == "":
		case isBuiltIn(name):
			c.add(at, "choose another name", "captures %s, which is a fact", name)
		case groups[name]:
			c.add(at, "choose another name", "captures %s, which is captured already", secret.Name(name))
		default:
			groups[name] = true
		}
	}
	return re
}

// isAnchored reports whether a regular expression matches only whole texts.
func isAnchored(tree *syntax.Regexp) bool {
	switch tree.Op { //nolint:exhaustive // any other is not anchored
	case syntax.OpCapture:
		return isAnchored(tree.Sub[0])
	case syntax.OpConcat:
		return tree.Sub[0].Op == syntax.OpBeginText && tree.Sub[len(tree.Sub)-1].Op == syntax.OpEndText
	default:
		return false
	}
}

// possible reports values of a built-in fact that no identity has.
func (c *compiler) possible(at, fact string, values []any) {
	var known []string
	switch fact {
	case factAuthority:
		known = c.cfg.Authorities
	case factMethod:
		known = mappedMethods()
	}
	if known == nil {
		return
	}
	for _, v := range values {
		text, ok := v.(string)
		if v == nil || ok && slices.Contains(known, text) {
			continue
		}
		hint := "known: " + strings.Join(known, ", ")
		if near, ok := nearest.To(text, known); ok {
			hint = "did you mean " + near + "?"
		}
		c.add(at, hint, "no identity has %s %s", fact, secret.Quote(fmt.Sprint(v)))
	}
}

// mappedMethods returns the methods of identities that are not of the directory.
func mappedMethods() []string {
	return []string{
		string(identity.MethodCertificate), string(identity.MethodNATSJWT), string(identity.MethodOIDC),
		string(identity.MethodIntrospection), string(identity.MethodKubernetes), string(identity.MethodWebhook),
		string(identity.MethodAnonymous),
	}
}
