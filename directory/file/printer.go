package file

import (
	"bufio"
	"fmt"
	"strings"
	"unicode"
)

const maxColumn = 100 // of what is written in one line

// printer writes YAML of the kind that people write: lists and mappings that are
// short stand in one line. What it cannot write is for w to say.
type printer struct{ w *bufio.Writer }

// fields are what a mapping says, in order.
type fields []field

// field is one key with its value: a scalar as it is written, or a list of them.
type field struct {
	key, value string
	list       []string
}

func (f fields) raw(key, value string) fields { return append(f, field{key: key, value: value}) }

func (f fields) list(key string, list []string) fields {
	if len(list) == 0 {
		return f
	}
	return append(f, field{key: key, list: list})
}

// String returns the field in one line.
func (f *field) String() string {
	if f.list == nil {
		return f.key + ": " + f.value
	}
	return f.key + ": [" + strings.Join(f.list, ", ") + "]"
}

func (p *printer) lines(text string) {
	_, _ = p.w.WriteString(text) // Flush says the same
}

const spaces = "            "

// begin begins a mapping or a list of n entries.
func (p *printer) begin(indent int, key string, n int) {
	if n > 0 {
		p.lines(spaces[:indent] + key + ":\n")
	}
}

// item writes an entry of a list; its keys stand at indent+2.
func (p *printer) item(indent int, f fields) {
	p.one(spaces[:indent]+"- ", indent+2, &f[0])
	p.mapping(indent+2, f[1:])
}

// shortItem writes an entry of a list, in one line if it is short.
func (p *printer) shortItem(indent int, f fields) {
	parts, length := make([]string, len(f)), indent+len("- {}")
	for i := range f {
		if len(f[i].list) > maxColumn { // need not be put together to be too long
			p.item(indent, f)
			return
		}
		parts[i] = f[i].String()
		length += len(parts[i]) + len(", ")
	}
	if length-len(", ") > maxColumn {
		p.item(indent, f)
		return
	}
	p.lines(spaces[:indent] + "- {" + strings.Join(parts, ", ") + "}\n")
}

func (p *printer) mapping(indent int, f fields) {
	for i := range f {
		p.one(spaces[:indent], indent, &f[i])
	}
}

func (p *printer) one(before string, indent int, f *field) {
	if len(f.list) <= maxColumn {
		if line := f.String(); len(f.list) <= 1 || indent+len(line) <= maxColumn {
			p.lines(before + line + "\n")
			return
		}
	}
	p.lines(before + f.key + ":\n")
	for _, entry := range f.list {
		p.lines(spaces[:indent+2] + "- " + entry + "\n")
	}
}

func words[T ~string](list []T) []string {
	return convert(list, func(word T) string { return scalar(string(word)) })
}

// scalar returns text as YAML, in quotes if it could be read as anything else.
func scalar(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// plain reports whether text means itself without quotes, wherever it stands and
// whatever version of YAML is read: it begins with a letter, so that it is no
// number, and it is none of the words that were booleans once.
func plain(text string) bool {
	for i, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		inside := r >= '0' && r <= '9' || strings.ContainsRune("-_.@/", r) || r == ' ' && i+1 < len(text)
		if !letter && (i == 0 || !inside) {
			return false
		}
	}
	switch strings.ToLower(text) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return false
	}
	return true
}
