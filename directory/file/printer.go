package file

import (
	"bufio"
	"fmt"
	"strings"
	"unicode"
)

const maxColumn = 100 // of lists and mappings that are written in one line

// printer writes YAML as people write it: short lists and mappings in one line. w keeps
// the error of a write until Flush.
type printer struct{ w *bufio.Writer }

// fields are the fields of a mapping, in order.
type fields []field

// field is a key with its value: a scalar as it is written, or a list of scalars.
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
	_, _ = p.w.WriteString(text) // Flush returns the error
}

const spaces = "            "

// begin begins a mapping or a list of n entries.
func (p *printer) begin(indent int, key string, n int) {
	if n > 0 {
		p.lines(spaces[:indent] + key + ":\n")
	}
}

// item writes an entry of a list. Its keys are indented by indent+2.
func (p *printer) item(indent int, f fields) {
	p.field(spaces[:indent]+"- ", indent+2, &f[0])
	p.mapping(indent+2, f[1:])
}

// shortItem writes an entry of a list, in one line if it is short enough.
func (p *printer) shortItem(indent int, f fields) {
	parts, length := make([]string, len(f)), indent+len("- {}")
	for i := range f {
		if len(f[i].list) > maxColumn { // certainly too long
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
		p.field(spaces[:indent], indent, &f[i])
	}
}

func (p *printer) field(before string, indent int, f *field) {
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

// scalar returns text as a YAML scalar, quoted unless it is plain.
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

// plain reports whether text needs no quotes, in any context and any version of YAML: it
// begins with a letter, so it is not a number, and it is not one of the words that YAML
// 1.1 reads as a boolean.
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
