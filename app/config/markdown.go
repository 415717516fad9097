package config

import (
	"bytes"
	"fmt"
	"strings"
)

const markdownHead = "<!-- Made by go generate ./app/config from the tags in app/config/config.go. Do not edit. -->\n" + `# Configuration

usher reads one YAML file. Unknown keys, wrong types and contradictions are
errors, and all of them are reported at once, with file, line, the key's path
and, where there is one, a way out. Nothing is skipped with a warning.

- **No secrets stand in it**, only names of files that hold them.
- **Relative paths** start at the directory of the configuration file.
- **Durations** are a number and a unit: ` + "`ns`, `us`, `ms`, `s`, `m` or `h`" + `, such as
  ` + "`1500ms` or `1h30m`" + `. A day is ` + "`24h`" + `.
- **Empty strings** are keys that are not set.
- Anchors, aliases, tags, nulls and a second document are refused.

The smallest configuration, in which everything else has its default:

`

// Markdown returns docs/configuration.md.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(markdownHead)
	small, err := write(map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS",
		"keyring.dir": "keys", "directory.file": "directory.yaml",
	}, false)
	if err == nil { // a test reads it back
		fmt.Fprintf(&b, "```yaml\n%s```\n", small)
	}
	live, err := write(map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS", "keyring.dir": "keys",
		"directory.from": DirectoryKV, "directory.snapshot_file": "directory.snapshot", "api.listen": "127.0.0.1:9779",
	}, false)
	if err == nil {
		fmt.Fprintf(&b, "\nWith the directory in NATS, and its management over HTTP:\n\n```yaml\n%s```\n", live)
	}
	keys := table()
	for i := range keys {
		if keys[i].section {
			markdownSection(&b, keys[i:])
		}
	}
	b.WriteString("\n## Keys that depend on each other\n\n")
	for _, r := range relations() {
		fmt.Fprintf(&b, "- %s\n", r.text)
	}
	return b.Bytes()
}

// markdownSection writes the section that rows begin with, and the keys right in it.
func markdownSection(b *bytes.Buffer, rows []entry) {
	section := &rows[0]
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", section.path, section.doc)
	for i := range rows[1:] {
		row := &rows[1+i]
		if row.depth <= section.depth {
			return
		}
		if row.section || row.depth > section.depth+1 {
			continue
		}
		def := "`" + row.def + "`"
		switch {
		case row.required:
			def = "required"
		case row.def == `""`:
			def = "empty"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", row.name, typeName(row.typ), def, strings.ReplaceAll(row.explain(), "|", `\|`))
	}
}
