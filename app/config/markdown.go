package config

import (
	"bytes"
	"fmt"
	"strings"
)

const markdownHead = "<!-- Made by go generate ./app/config from the tags in app/config/config.go. Do not edit. -->\n" + `# Configuration

usher reads one YAML file. Unknown keys, wrong types and contradictions are
errors. usher reports all of them at once, with the file, the line, the path of
the key and a hint. It never skips a fault with a warning.

- **The file contains no secrets**, only the names of files that contain them.
- **Relative paths** are relative to the directory of the configuration file.
- **Durations** are a number and a unit: ` + "`ns`, `us`, `ms`, `s`, `m` or `h`" + `, such as
  ` + "`1500ms` or `1h30m`" + `. A day is ` + "`24h`" + `.
- **An empty string** means that the key is not set.
- Anchors, aliases, tags, nulls and a second document are errors.

The smallest configuration; every other key has its default:

`

// Markdown returns docs/reference/configuration.md.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(markdownHead)
	small, err := render(map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS",
		"keyring.dir": "keys", "directory.file": "directory.yaml",
	}, false)
	if err == nil { // a test parses it
		fmt.Fprintf(&b, "```yaml\n%s```\n", small)
	}
	live, err := render(map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS", "keyring.dir": "keys",
		"directory.from": DirectoryKV, "directory.snapshot_file": "directory.snapshot", "api.listen": "127.0.0.1:9779",
	}, false)
	if err == nil {
		fmt.Fprintf(&b, "\nWith the directory in NATS, and the management API over HTTP:\n\n```yaml\n%s```\n", live)
	}
	keys := withElements(table())
	for i := range keys {
		if keys[i].section || keys[i].elements != nil {
			markdownSection(&b, keys[i:])
		}
	}
	b.WriteString("\n## Keys that depend on each other\n\n")
	for _, r := range constraints() {
		fmt.Fprintf(&b, "- %s\n", r.text)
	}
	return b.Bytes()
}

// markdownSection writes the first entry, which is a section or a list of mappings, and
// the keys directly in it or in its elements.
func markdownSection(b *bytes.Buffer, entries []entry) {
	section := &entries[0]
	path, doc := section.path, section.doc
	if section.elements != nil {
		path, doc = elementPath(path), fmt.Sprintf("Each entry of `%s`.", path)
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", path, doc)
	for i := range entries[1:] {
		row := &entries[1+i]
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
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", row.name, typeName(row.typ), def, strings.ReplaceAll(row.description(fmt.Sprintf("Its keys are in `%s` below.", elementPath(row.path))), "|", `\|`))
	}
}
