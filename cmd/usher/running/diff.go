package running

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/control"
	"usher/cmd/usher/cmdutil"
	"usher/internal/plural"
)

// Difference is a key in which the file differs from what a running usher uses.
type Difference struct {
	Key    string `json:"key"`
	Used   string `json:"used"` // YAML on one line; empty: that usher does not know the key
	File   string `json:"file"`
	Effect string `json:"effect"` // reload or restart
}

// instance is what the file changes for one running usher.
type instance struct {
	Instance    string       `json:"instance"`
	Host        string       `json:"host,omitempty"`
	File        string       `json:"file"`
	Differences []Difference `json:"differences"`
}

func diff(c *cli.Context) error {
	cfg, d, err := open(c)
	if err != nil {
		return err
	}
	defer d.Close()
	running, err := d.Configurations(c.Context)
	if err != nil {
		return noneRuns(err)
	}
	used := withFile(running, cfg.File().Path)
	if n := len(running) - len(used); n > 0 {
		cmdutil.Note(c.App.ErrWriter, plural.Count(n, "usher")+" of other machines or files: compare each with its own file")
	}
	all := make([]instance, len(used))
	for i := range used {
		wanted, err := cfg.File().TextsAt(used[i].File) // relative paths are of that process
		if err != nil {
			return err
		}
		all[i] = instance{used[i].Instance, used[i].Host, used[i].File, differences(&used[i], wanted)}
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, all)
	}
	for i := range all {
		printDifferences(c.App.Writer, &all[i])
	}
	return nil
}

// withFile returns the ushers that read the file at path, as far as this machine can tell; all if
// none seems to.
func withFile(running []control.Configuration, path string) (used []control.Configuration) {
	host, err := os.Hostname()
	if err != nil {
		return running
	}
	here, err := os.Stat(path)
	if err != nil {
		return running
	}
	for i := range running {
		r := &running[i]
		there, err := os.Stat(r.File) // a relative path may be of another working directory
		if r.Host == host && (err != nil || os.SameFile(here, there)) {
			used = append(used, *r)
		}
	}
	if len(used) == 0 {
		return running
	}
	return used
}

// differences returns the keys in which a file differs from what an usher uses.
func differences(used *control.Configuration, wanted map[string]string) []Difference {
	differ := map[string]bool{}
	for key, text := range wanted {
		differ[key] = used.Values[key] != text
	}
	all := []Difference{}
	for _, key := range config.KeysInOrder(differ) {
		effect := "restart"
		if config.TakesReload(key) {
			effect = "reload"
		}
		all = append(all, Difference{key, used.Values[key], wanted[key], effect})
	}
	return all
}

func printDifferences(w io.Writer, of *instance) {
	fmt.Fprintf(w, "%s: %s\n", name(of.Instance, of.Host), line(of.File))
	for _, d := range of.Differences {
		effect := "takes effect at a reload"
		if d.Effect == "restart" {
			effect = "needs a restart"
		}
		fmt.Fprintf(w, "  %s: %s\n    used: %s\n    file: %s\n", d.Key, effect, orNotKnown(line(d.Used)), line(d.File))
	}
	if len(of.Differences) == 0 {
		fmt.Fprintln(w, "  as the file says")
	}
}

func orNotKnown(text string) string {
	if text == "" {
		return "(it does not know this key)"
	}
	return text
}
