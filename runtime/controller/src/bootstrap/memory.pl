my($n,$start,$title,$y)=@ARGV;
my $b="";
while(length($b)<$n){sysread(STDIN,$b,$n-length($b),length($b))||exit 1}
my $name="wxec-agent";
my $f=syscall($y,$name,0);
open(my $o,">&=",$f)||exit 1;
syswrite($o,$b)==$n||exit 1;
syswrite(STDOUT,$start.chr(10));
exec{"/proc/self/fd/$f"}$title;
