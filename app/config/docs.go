package config

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"usher/app/config/schema"
)

// page is the file with Markdown's text.
const page = "docs/reference/configuration.md"

// table returns the table of keys, which is the same in each call.
var table = sync.OnceValue(func() *schema.Table {
	return schema.New(reflect.TypeFor[Config](), rules(), constraints(), page)
})

// Keys returns every key, in the order of the file.
func Keys() []schema.Key { return table().Keys() }

const exampleHead = "# Configuration of usher. A key that is commented out has its default.\n" +
	"# To set it, uncomment it and its section.\n"

// Example returns an usher.yaml with the values, which are keyed by path. Every other
// key is commented out and has its default. Each key has its documentation as a
// comment. A value is YAML on one line; a string is given as it is, and Example
// quotes it if needed. A list of mappings is written as a block.
//
// A path that is not a key is an error, and so is every error of Parse on the
// result: values must contain the required keys and no contradiction.
func Example(values map[string]string) ([]byte, error) {
	data, err := table().Example(values)
	if err != nil {
		return nil, err
	}
	data = append([]byte(exampleHead), data...)
	if _, err := Parse("usher.yaml", data); err != nil {
		return nil, fmt.Errorf("example configuration: %w", err)
	}
	return data, nil
}

const markdownReload = "\n" +
	"## Reload\n" +
	"\n" +
	"usher reads the file again when it changes, on SIGHUP, and when `usher reload` asks for it. Keys\n" +
	"with \"A change takes effect at a reload\" hold from then on, without closing a connection:\n" +
	"for every decision that begins after the reload, and one decision sees either all of the old\n" +
	"or all of the new `identities` and `profiles`. Every other key needs a restart; the log and\n" +
	"`usher reload` name those that have changed, and the metric\n" +
	"`usher_configuration_restart_needed` is 1 until then. `usher config diff` compares the file with\n" +
	"what the running ushers use.\n" +
	"\n" +
	"A faulty file changes nothing. The log has each fault with file, line and key, and what was\n" +
	"in force before stays so. The same holds for rules that go with the changed `credentials` or\n" +
	"`accounts` of the file, but not with those in use: restart usher. With several instances, each\n" +
	"reads its own file. `usher push` takes every change with a restart.\n"

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
` + markdownReload + `
## Example

The smallest configuration; every other key has its default:

`

// Markdown returns docs/reference/configuration.md.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(markdownHead)
	keys := table()
	small, err := keys.Minimal(map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS",
		"keyring.dir": "keys", "directory.file": "directory.yaml",
	})
	if err == nil { // a test parses it
		fmt.Fprintf(&b, "```yaml\n%s```\n", small)
	}
	live, err := keys.Minimal(map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS", "keyring.dir": "keys",
		"directory.from": DirectoryKV, "directory.snapshot_file": "directory.snapshot", "api.listen": "127.0.0.1:9779",
	})
	if err == nil {
		fmt.Fprintf(&b, "\nWith the directory in NATS, and the management API over HTTP:\n\n```yaml\n%s```\n", live)
	}
	b.Write(keys.Markdown())
	return b.Bytes()
}
