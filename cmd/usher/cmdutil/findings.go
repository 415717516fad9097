package cmdutil

import (
	"encoding/json"
	"fmt"

	"usher/app/checkup/finding"
	"usher/internal/fault"
	"usher/internal/secret"

	"github.com/urfave/cli/v2"
)

// PrintFindings prints the findings, as text or with --json as JSON, and returns an error
// of the worst kind among them. It redacts what looks like a secret, and leaves each text one
// line: findings quote files and servers, and a certificate of a stranger can have a name
// that looks like lines of this output.
func PrintFindings(c *cli.Context, f finding.List) error {
	for i := range f {
		x := &f[i]
		for _, text := range []*string{&x.Where, &x.Path, &x.Detail, &x.Hint} {
			*text = secret.Line(secret.RedactDetected(*text))
		}
	}
	if c.Bool("json") {
		if err := json.NewEncoder(c.App.Writer).Encode(map[string]any{"findings": f}); err != nil {
			return err
		}
	} else if err := printFindingsText(c, f); err != nil {
		return err
	}
	kind := fault.None
	for _, x := range f {
		// A configuration error outranks an unreachable server, which proves nothing about
		// the configuration.
		if x.Kind == fault.Config || kind == fault.None {
			kind = max(kind, x.Kind)
		}
	}
	if kind == fault.None {
		return nil
	}
	return &fault.Error{Kind: kind}
}

func printFindingsText(c *cli.Context, f finding.List) error {
	for _, x := range f {
		where := ""
		if x.Where != "" {
			where = " " + x.Where
		}
		if x.Path != "" {
			where += ": " + x.Path
		}
		line := fmt.Sprintf("%-7s %s%s: %s\n", x.Severity, x.Check, where, x.Detail)
		if x.Hint != "" {
			line += "        hint: " + x.Hint + "\n"
		}
		if _, err := fmt.Fprint(c.App.Writer, line); err != nil {
			return err
		}
	}
	return nil
}
