#!/usr/bin/perl
# LWP with Authen::NTLM.
#
#   lwp.pl URL DOMAIN\USER PASSWORD
#
# Prints the status of the last answer and its X-Auth-User.
use strict;
use warnings;
use LWP::UserAgent;

my ($url, $user, $password) = @ARGV;
my $agent = LWP::UserAgent->new(keep_alive => 1);
$agent->credentials(URI->new($url)->host_port, '', $user, $password);
my $answer = $agent->get($url);
print $answer->code, ' ', $answer->header('X-Auth-User') // '', "\n";
