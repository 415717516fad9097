package mapping

import (
	"errors"
	"fmt"
	"strings"

	"usher/directory"
	"usher/internal/secret"
)

// ErrValue: a rule matched, and a value of the identity that it inserts is missing, or
// cannot be part of the name of a user, profile or project.
var ErrValue = errors.New("a value of the identity cannot be part of a name")

// template is the name of a user, a profile or a project, with values to insert.
type template struct {
	text  string
	parts []part
}

// part is a literal text, the name of a captured group, or a fact.
type part struct {
	literal, group string
	fact           factPath
}

// parseTemplate parses a template. isGroup tells the groups that the rule captures.
func parseTemplate(text string, isGroup func(string) bool) (*template, error) {
	t := &template{text: text}
	for rest := text; rest != ""; {
		literal, value, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return nil, errors.New("has a } without its {")
		}
		if literal != "" {
			t.parts = append(t.parts, part{literal: literal})
		}
		if !found {
			break
		}
		p, tail, err := parsePart(value, isGroup)
		if err != nil {
			return nil, err
		}
		t.parts, rest = append(t.parts, p), tail
	}
	return t, t.checkLiterals()
}

// parsePart parses a value to insert, behind its opening brace.
func parsePart(text string, isGroup func(string) bool) (p part, rest string, err error) {
	keys, rest, err := cutPath(text)
	if err != nil {
		return part{}, "", fmt.Errorf("has a value in braces that %w", err)
	}
	name := strings.TrimSuffix(text, rest)
	rest, closed := strings.CutPrefix(rest, "}")
	switch {
	case !closed:
		return part{}, "", errors.New("has a { without its }")
	case isGroup(name):
		return part{group: name}, rest, nil
	case len(keys) == 1 && !isBuiltIn(keys[0]):
		return part{}, "", fmt.Errorf("inserts {%s}, which no regexp of the rule captures, and which is no fact", secret.Redact(name))
	}
	p.fact, err = newPath(name, keys)
	return p, rest, err
}

// checkLiterals checks that the literal texts can be parts of a name.
func (t *template) checkLiterals() error {
	if !t.inserts() {
		return directory.CheckName(t.text)
	}
	for i, p := range t.parts {
		text := p.literal
		if i > 0 {
			text = "x" + text // only a name must not begin with '_'
		}
		if p.literal != "" && directory.CheckName(text) != nil {
			return fmt.Errorf("has %s, which is no part of a name", secret.Name(p.literal))
		}
	}
	return nil
}

// inserts reports whether the template has values to insert.
func (t *template) inserts() bool { return len(t.parts) != 1 || t.parts[0].literal == "" }

// expand returns the name. Every value in it is a text that could be a name alone.
func (t *template) expand(s *subject) (string, error) {
	if !t.inserts() {
		return t.text, nil
	}
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		if p.literal != "" {
			b.WriteString(p.literal)
			continue
		}
		value, err := p.value(s)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrValue, err)
		}
		b.WriteString(value)
	}
	if err := directory.CheckName(b.String()); err != nil {
		return "", fmt.Errorf("%w: %s %w", ErrValue, t.text, err)
	}
	return b.String(), nil
}

func (p *part) value(s *subject) (string, error) {
	name, value := p.group, s.captured[p.group]
	if p.group == "" {
		name = p.fact.text
		fact := p.fact.find(s.id)
		text, ok := fact.(string)
		switch {
		case fact == nil:
			return "", fmt.Errorf("there is no %s", name)
		case !ok:
			return "", fmt.Errorf("%s is not a text", name)
		}
		value = text
	}
	if err := directory.CheckName(value); err != nil {
		return "", fmt.Errorf("%s %w", name, err)
	}
	return value, nil
}
