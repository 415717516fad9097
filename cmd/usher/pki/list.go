package pki

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	apppki "usher/app/pki"
	"usher/cmd/usher/cmdutil"
	"usher/internal/plural"
	"usher/internal/secret"
)

// Certificate is a certificate as "usher pki list" shows it. Its JSON format is stable.
type Certificate struct {
	Name     string     `json:"name"`
	SANs     []string   `json:"sans"`
	Use      []string   `json:"use"` // ca, server, client
	Ends     *time.Time `json:"ends,omitempty"`
	DaysLeft *int       `json:"days_left,omitempty"` // whole days; negative: it has ended
	CA       string     `json:"ca"`                  // common name
	Own      bool       `json:"own_ca"`              // it is the CA of the folder
	Problem  string     `json:"problem,omitempty"`
}

func listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the CA and the certificates of a folder",
		UsageText: "usher pki list [--json] DIR",
		Description: "CA is the common name of the CA that has signed the certificate, with a * if that is\n" +
			"not the CA of the folder. The exit code is 3 if a pair cannot be used.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			dir := apppki.Dir(c.Args().First())
			entries, err := dir.List()
			if err != nil {
				return explained(dir, err)
			}
			return printList(c, dir, entries, time.Now())
		},
	}
}

func printList(c *cli.Context, dir apppki.Dir, entries []apppki.Entry, now time.Time) error {
	rows := make([]Certificate, len(entries))
	var problems []error
	for i := range entries {
		rows[i] = describe(&entries[i], now)
		if err := entries[i].Err; err != nil {
			problems = append(problems, err)
		}
	}
	var err error
	if c.Bool("json") {
		err = json.NewEncoder(c.App.Writer).Encode(map[string]any{"certificates": rows})
	} else {
		err = printTable(c, rows)
	}
	if err != nil || len(problems) == 0 {
		return err
	}
	for _, p := range problems[1:] {
		cmdutil.Note(c.App.ErrWriter, p.Error())
	}
	return explained(dir, problems[0])
}

func printTable(c *cli.Context, rows []Certificate) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSANS\tUSE\tENDS\tLEFT\tCA")
	for _, r := range rows {
		ends, left, ca := "-", "-", r.CA
		if r.Ends != nil {
			ends, left = r.Ends.Format(time.RFC3339), plural.Count(*r.DaysLeft, "day")
			if *r.DaysLeft < 0 {
				left = "ended"
			}
			if ca = strconv.Quote(ca); !r.Own {
				ca += " *"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, dash(secret.Line(strings.Join(r.SANs, ","))), dash(strings.Join(r.Use, ",")),
			ends, left, dash(ca))
	}
	return w.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// describe returns the row of an entry.
func describe(e *apppki.Entry, now time.Time) Certificate {
	row := Certificate{Name: e.Name, SANs: []string{}, Use: []string{}, Own: e.Own}
	if e.Err != nil {
		row.Problem = e.Err.Error()
	}
	if e.Cert == nil {
		return row
	}
	ends := e.Cert.NotAfter.UTC()
	days := int(ends.Sub(now) / (24 * time.Hour))
	if now.After(ends) {
		days--
	}
	row.Ends, row.DaysLeft, row.CA = &ends, &days, e.Cert.Issuer.CommonName
	row.SANs = append(row.SANs, e.Cert.DNSNames...)
	for _, ip := range e.Cert.IPAddresses {
		row.SANs = append(row.SANs, ip.String())
	}
	if e.Cert.IsCA {
		row.Use = append(row.Use, "ca")
	}
	for _, use := range e.Cert.ExtKeyUsage {
		switch use { //nolint:exhaustive // others are none of this command
		case x509.ExtKeyUsageServerAuth:
			row.Use = append(row.Use, "server")
		case x509.ExtKeyUsageClientAuth:
			row.Use = append(row.Use, "client")
		}
	}
	return row
}
