package cmdutil

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"usher/internal/fault"
	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// PasswordFlag returns the option --password-file.
func PasswordFlag() cli.Flag {
	return &cli.StringFlag{Name: "password-file", Usage: "`FILE` with the password, which only you can read; - is stdin", DefaultText: "ask on the terminal"}
}

// ReadPassword reads a new password from the file of --password-file, or asks for it twice
// on the terminal, without an echo.
func ReadPassword(c *cli.Context) (string, error) {
	switch path := c.String("password-file"); path {
	case "":
		return askPassword(c)
	case "-":
		text, err := secretfile.ReadLine(c.App.Reader, "stdin")
		if err != nil {
			return "", fault.InConfig(fmt.Errorf("--password-file: %w", err))
		}
		return text, nil
	default:
		text, err := secretfile.Read(path, false)
		var refused *ownedfile.Error
		switch {
		case err == nil:
			return text, nil
		case errors.As(err, &refused):
			return "", &fault.Error{Kind: fault.Config, Err: fmt.Errorf("--password-file: %w", err), Hint: "chmod 600 the file"}
		default:
			return "", fault.InConfig(fmt.Errorf("--password-file: %w", err))
		}
	}
}

func askPassword(c *cli.Context) (string, error) {
	terminal, ok := c.App.Reader.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", UsageError("write it to a file that only you can read and give --password-file FILE, or --password-file - for stdin", "there is no terminal to ask for the password")
	}
	var given [2]string
	for i, prompt := range []string{"New password: ", "The same again: "} {
		fmt.Fprint(c.App.ErrWriter, prompt)
		text, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(c.App.ErrWriter)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		given[i] = string(text)
	}
	switch {
	case given[0] != given[1]:
		return "", &fault.Error{Kind: fault.Usage, Err: errors.New("the passwords differ")}
	case given[0] == "":
		return "", &fault.Error{Kind: fault.Usage, Err: errors.New("the password is empty")}
	}
	return given[0], nil
}
