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
	"usher/internal/shellword"
	"usher/issuer"
	"usher/issuer/keyring"
)

// KeyInfo is one key as "usher nkey list" and "usher nkey status" show it. Its JSON format
// is stable.
type KeyInfo struct {
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
	Live        *Usage          `json:"live,omitempty"` // status only
}

// Usage is the use of a key, as the running ushers and the servers report it.
type Usage struct {
	Ushers   int        `json:"ushers"`    // running ushers that have loaded it
	Of       int        `json:"ushers_of"` // running ushers
	LastHour uint64     `json:"requests_last_hour"`
	Last     *time.Time `json:"last_request,omitempty"`
	Servers  []string   `json:"servers,omitempty"` // that requested it in the last hour
	Safe     bool       `json:"safe_to_retire"`
	Because  []string   `json:"because,omitempty"` // why not
}

// Fingerprint returns a short name for a public key: the first 12 hex digits of the
// SHA-256 of its text.
func Fingerprint(public string) string {
	sum := sha256.Sum256([]byte(public))
	return hex.EncodeToString(sum[:6])
}

// keyringKeys returns the keys of the keyring and its state.
func keyringKeys(cfg *config.Config, now time.Time) ([]KeyInfo, *keyring.State, error) {
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		return nil, nil, err
	}
	state, err := keyring.ReadState(cfg.Keyring.Dir, assembly.KeyringConfig(cfg))
	if err != nil {
		return nil, nil, assembly.KeyringError(cfg, err)
	}
	var rows []KeyInfo
	for _, k := range keys.Keys() {
		row := KeyInfo{
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

// place returns the account and scope of a key, or a dash.
func (r *KeyInfo) place() string {
	if r.Account == "" {
		return "-"
	}
	return issuer.Place{Account: r.Account, Scope: r.Scope}.String()
}

// printKeys prints a table of keys, or JSON with --json. The table leaves out retired keys,
// unless --all is set or a key is named. withUsage adds the columns of status.
func printKeys(c *cli.Context, rows []KeyInfo, withUsage bool) error {
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(map[string]any{"keys": rows})
	}
	if !c.Bool("all") && c.NArg() == 0 {
		rows = slices.DeleteFunc(rows, func(r KeyInfo) bool { return r.State == issuer.StateRetired })
	}
	slices.SortStableFunc(rows, func(a, b KeyInfo) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.place(), b.place()), a.State.Compare(b.State))
	})
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	header := "KIND\tFOR\tSTATE\tAGE\tFINGERPRINT\tPUBLIC KEY"
	if withUsage {
		header = "KIND\tFOR\tSTATE\tAGE\tFINGERPRINT\tUSHERS\tLAST HOUR\tSAFE TO RETIRE"
	}
	fmt.Fprintln(w, header)
	for i := range rows {
		r := &rows[i]
		age := time.Duration(r.AgeSeconds) * time.Second
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t", r.Kind, r.place(), r.State, ageText(age), r.Fingerprint)
		switch {
		case !withUsage:
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

// noteRotation prints a note if a rotation of the keyring in dir is in progress. The hint
// depends on whether a process still runs it.
func noteRotation(c *cli.Context, dir string, s *keyring.State) {
	if s.Rotation == nil {
		return
	}
	cmdutil.Note(c.App.ErrWriter, rotation.InProgress(s.Rotation).Error())
	if keyring.Locked(dir) {
		cmdutil.Hint(c.App.ErrWriter, "another process runs it now: wait until it ends")
		return
	}
	cmdutil.Hint(c.App.ErrWriter, "continue it with usher nkey rotate -c "+shellword.Quote(c.String("config"))+" --resume, or undo it with --rollback")
}

func allFlag() cli.Flag {
	return &cli.BoolFlag{Name: "all", Usage: "include retired keys"}
}

func (u *Usage) safe() string {
	if u.Safe {
		return "yes"
	}
	return "no: " + strings.Join(u.Because, "; ")
}

// ageText formats an age in its largest unit.
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
