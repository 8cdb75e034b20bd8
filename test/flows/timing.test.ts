// Response times reveal as little as the messages: an unknown user costs the same as a wrong password. In a file of its own,
// because other tests in this process would disturb the measurement.
import { makeClient, makeUser } from '../helpers/builders.ts';
import { acceptedRatio, ratiosToTheFirst } from '../helpers/costs.ts';
import { login } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';

testOnServers('an unknown user takes as long as a wrong password', async (t, server) => {
  const { username } = await makeUser(server.db);
  const client = await makeClient(server.db);
  let guesses = 0;
  const guess = (name: () => string) => async () => {
    guesses += 1;
    const { status } = await login(server, { username: name() }, client, { password: `wrong ${guesses}` });
    t.is(status, 400);
  };
  const works = [guess(() => username), guess(() => `nobody-${guesses}`)];
  const [ratio = 0] = await ratiosToTheFirst(works, 20);
  t.true(ratio > acceptedRatio.from && ratio < acceptedRatio.to, `${ratio.toFixed(2)} times as long`);
});
