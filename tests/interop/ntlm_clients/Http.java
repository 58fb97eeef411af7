// HttpURLConnection with an Authenticator. Runs from source.
//
//   java Http.java URL DOMAIN\USER PASSWORD
//
// Prints the status of the last answer and its X-Auth-User.
import java.net.Authenticator;
import java.net.HttpURLConnection;
import java.net.PasswordAuthentication;
import java.net.Proxy;
import java.net.URL;

public class Http {
  public static void main(String[] arguments) throws Exception {
    Authenticator.setDefault(new Authenticator() {
      private boolean asked;

      // The second time, the first answer was wrong.
      @Override
      protected PasswordAuthentication getPasswordAuthentication() {
        if (asked) {
          return null;
        }
        asked = true;
        return new PasswordAuthentication(arguments[1], arguments[2].toCharArray());
      }
    });
    HttpURLConnection connection =
        (HttpURLConnection) new URL(arguments[0]).openConnection(Proxy.NO_PROXY);
    int status = connection.getResponseCode();
    String user = connection.getHeaderField("X-Auth-User");
    System.out.println(status + " " + (user == null ? "" : user));
  }
}
