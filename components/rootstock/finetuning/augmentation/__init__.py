"""Ways to show a row a little otherwise in every epoch, a file each; its label stays true."""
