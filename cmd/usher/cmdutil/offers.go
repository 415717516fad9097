package cmdutil

import (
	"github.com/urfave/cli/v2"
)

// Offer is a word that could stand where somebody is typing.
type Offer struct{ Word, About string }

func CommandOffers(commands []*cli.Command) []Offer {
	var offers []Offer
	for _, c := range commands {
		if !c.Hidden {
			offers = append(offers, Offer{c.Name, c.Usage})
		}
	}
	return offers
}
