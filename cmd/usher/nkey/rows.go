package nkey

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/config"
	"usher/app/rotation"
	"usher/cmd/usher/cmdutil"
	"usher/issuer"
	"usher/issuer/keyring"
)

// KeyRow is one key as "usher nkey list" and "status" show it. Its JSON form is
// stable.
type KeyRow struct {
	Kind        string          `json:"kind"`
	Account     string          `json:"account,omitempty"`
	Scope       string          `json:"scope,omitempty"`
	State       issuer.KeyState `json:"state"`
	Since       *time.Time      `json:"since,omitempty"`
	AgeSeconds  int64           `json:"age_seconds"`
	Fingerprint string          `json:"fingerprint"`
	PublicKey   string          `json:"public_key"`
	File        string          `json:"file,omitempty"`
	Elsewhere   bool            `json:"signs_elsewhere,omitempty"`
	Live        *keyLive        `json:"live,omitempty"` // status only
}

// keyLive is what the running ushers and the servers say of a key.
type keyLive struct {
	Ushers   int        `json:"ushers"`    // running ushers that have it
	Of       int        `json:"ushers_of"` // running ushers
	LastHour uint64     `json:"requests_last_hour"`
	Last     *time.Time `json:"last_request,omitempty"`
	Servers  []string   `json:"servers,omitempty"` // that asked for it in the last hour
	Safe     bool       `json:"safe_to_retire"`
	Because  []string   `json:"because,omitempty"` // why not
}

// Fingerprint returns what people tell keys apart by: 12 hex digits of the SHA-256
// of the public key's text.
func Fingerprint(public string) string {
	sum := sha256.Sum256([]byte(public))
	return hex.EncodeToString(sum[:6])
}

// keyRows returns the keys of the keyring, and its state.
func keyRows(cfg *config.Config, now time.Time) ([]KeyRow, *keyring.State, error) {
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		return nil, nil, err
	}
	state, err := keyring.ReadState(cfg.Keyring.Dir, assembly.KeyringConfig(cfg))
	if err != nil {
		return nil, nil, assembly.KeyringError(cfg, err)
	}
	var rows []KeyRow
	for _, k := range keys.Keys() {
		row := KeyRow{
			Kind: k.Kind, Account: k.Account, Scope: k.Scope, State: k.State,
			Fingerprint: Fingerprint(k.PublicKey), PublicKey: k.PublicKey, File: k.File, Elsewhere: len(k.Command) > 0,
		}
		if !k.Modified.IsZero() {
			row.AgeSeconds = int64(now.Sub(k.Modified) / time.Second)
		}
		if !k.Since.IsZero() {
			since := k.Since.UTC()
			row.Since = &since
		}
		rows = append(rows, row)
	}
	return rows, state, nil
}

// place returns what a key is for, for people.
func (r *KeyRow) place() string {
	if r.Account == "" {
		return "-"
	}
	return issuer.Place{Account: r.Account, Scope: r.Scope}.String()
}

// printKeys prints keys, retired ones only if all are asked for, or that one; JSON has
// every one of them.
func printKeys(c *cli.Context, rows []KeyRow, live bool) error {
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(map[string]any{"keys": rows})
	}
	if !c.Bool("all") && c.NArg() == 0 {
		rows = slices.DeleteFunc(rows, func(r KeyRow) bool { return r.State == issuer.StateRetired })
	}
	slices.SortStableFunc(rows, func(a, b KeyRow) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.place(), b.place()), a.State.Compare(b.State))
	})
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	head := "KIND\tFOR\tSTATE\tAGE\tFINGERPRINT\tPUBLIC KEY"
	if live {
		head = "KIND\tFOR\tSTATE\tAGE\tFINGERPRINT\tUSHERS\tLAST HOUR\tSAFE TO RETIRE"
	}
	fmt.Fprintln(w, head)
	for i := range rows {
		r := &rows[i]
		age := time.Duration(r.AgeSeconds) * time.Second
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t", r.Kind, r.place(), r.State, ageText(age), r.Fingerprint)
		switch {
		case !live:
			line += r.PublicKey
		case r.Live == nil:
			line += "-\t-\t-"
		default:
			line += fmt.Sprintf("%d of %d\t%d\t%s", r.Live.Ushers, r.Live.Of, r.Live.LastHour, r.Live.safe())
		}
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}

// sayRotation says which rotation is under way, if one is.
func sayRotation(c *cli.Context, s *keyring.State) {
	if s.Rotation != nil {
		cmdutil.Say(c.App.ErrWriter, "note", rotation.InProgress(s.Rotation).Error())
		cmdutil.Say(c.App.ErrWriter, "hint", "usher nkey rotate --resume goes on with it, --rollback undoes it")
	}
}

func allFlag() cli.Flag {
	return &cli.BoolFlag{Name: "all", Usage: "retired keys, too"}
}

func (l *keyLive) safe() string {
	if l.Safe {
		return "yes"
	}
	return "no: " + strings.Join(l.Because, "; ")
}

// ageText returns an age in its largest unit.
func ageText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}
